// Owns the start signal as `run` and `start` send it (README, API). Invariant: only what the user
// asked for is sent; whether it is allowed is the profile's business, and so is every default.

import { randomBytes } from 'node:crypto';
import { readDuration, readEvent, readTaskId } from './args.ts';
import { UsageError } from './failure.ts';
import { readJwt } from './jwt-file.ts';
import { tryCommand } from './voice.ts';

/** Options that make a start body. */
export const startOptions = {
  profile: { type: 'string' },
  task: { type: 'string' },
  param: { type: 'string', multiple: true },
  duration: { type: 'string' },
  event: { type: 'string' },
  parent: { type: 'string' },
  'assertion-file': { type: 'string' },
  traceparent: { type: 'string' },
} as const;

export interface StartValues {
  readonly profile?: string | undefined;
  readonly task?: string | undefined;
  readonly param?: readonly string[] | undefined;
  readonly duration?: string | undefined;
  readonly deadline?: string | undefined;
  readonly event?: string | undefined;
  readonly parent?: string | undefined;
  readonly 'assertion-file'?: string | undefined;
}

/** The body of `PUT /v1/tasks/{task}`. */
export interface StartBody {
  readonly profile: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly duration?: string;
  readonly deadline?: string;
  readonly event?: { readonly type: string; readonly id: string };
  readonly bind?: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly assertion?: string;
}

export interface Start {
  readonly task: string;
  readonly body: StartBody;
}

/** @throws UsageError */
export function readStart(command: string, values: StartValues, now: Date = new Date()): Start {
  const { profile } = values;
  if (profile === undefined || profile === '') {
    throw new UsageError(
      `${command} needs a profile`,
      `tasklease ${command} --profile P … (${tryCommand(command)})`,
    );
  }
  if (values.duration !== undefined && values.deadline !== undefined) {
    throw new UsageError('--duration and --deadline exclude each other', 'give one of them');
  }
  const params = readParams(values.param ?? []);
  return {
    task: values.task === undefined ? makeTaskId(profile, now) : readTaskId(command, values.task),
    body: {
      profile,
      ...(Object.keys(params).length === 0 ? {} : { params }),
      ...(values.duration === undefined
        ? {}
        : { duration: readDuration('--duration', values.duration).text }),
      ...(values.deadline === undefined ? {} : { deadline: values.deadline }),
      ...(values.event === undefined ? {} : { event: readEvent(values.event) }),
      ...(values.parent === undefined ? {} : { parent: readTaskId(command, values.parent) }),
      ...(values['assertion-file'] === undefined
        ? {}
        : { assertion: readJwt('--assertion-file', values['assertion-file']) }),
    },
  };
}

function readParams(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair) => {
    const equals = pair.indexOf('=');
    if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
    throw new UsageError(`--param ${JSON.stringify(pair)} is not NAME=VALUE`, '--param env=prod');
  });
  const twice = entries.find(([name], index) => entries.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined)
    throw new UsageError(`--param ${twice[0]} is given twice`, 'give each parameter once');
  return Object.fromEntries(entries); // own properties, whatever the name
}

/** `<profile>-<UTC time>-<48 random bits>`: unique, sortable, and a valid task id whatever the profile. */
export function makeTaskId(profile: string, now: Date): string {
  const name =
    profile
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 96) || 'task';
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${name}-${time}-${randomBytes(6).toString('hex')}`;
}
