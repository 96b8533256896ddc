// Owns the step from a start signal and a profile to a plan: which parameters hold, until when, under
// which policies, which Vault requests, which files, for whom. Invariant: what a plan asks for is a
// subset of its profile; anything that the profile does not allow is refused here, before Vault.

import { formatDuration, wholeSeconds } from './duration.ts';
import type { ProfileName, TaskId } from './ids.ts';
import { isSegment, SEGMENT_RULE } from './ids.ts';
import type { Instant, Moment } from './instant.ts';
import { instantOf } from './instant.ts';
import { Problem } from './problem.ts';
import type { FileRule, Owner, ParamRule, Profile } from './profile.ts';
import { renderSegments, slots } from './template.ts';

/** Who asks, as the kernel says (SO_PEERCRED, unix(7)). */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups (SO_PEERGROUPS); the primary one need not be among them. */
  readonly groups: readonly number[];
  /** 0 when the peer lives in another pid namespace. */
  readonly pid: number;
  /** True on the admin socket. */
  readonly admin: boolean;
}

export type Bind = { readonly pid: number } | { readonly connection: true };

export interface BusinessEvent {
  readonly type: string;
  readonly id: string;
}

/** A start body that the schema has accepted. */
export interface StartSignal {
  readonly profile: ProfileName;
  readonly params: Readonly<Record<string, string>>;
  readonly durationMs?: number;
  /** RFC 3339; stands for a duration. */
  readonly deadline?: string;
  readonly event?: BusinessEvent;
  readonly bind?: Bind;
}

/** One request to Vault that issues a secret. */
export interface Ask {
  readonly secret: string;
  readonly method: 'read' | 'write';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly files: readonly FileRule[];
}

/** Everything a grant needs to know of its profile, settled at the start and journaled with it. */
export interface Plan {
  readonly policies: readonly string[];
  readonly asks: readonly Ask[];
  readonly reader: Owner;
  readonly mode?: number;
}

export interface Settled {
  readonly plan: Plan;
  readonly params: Readonly<Record<string, string>>;
  /** start + asked duration. */
  readonly expiresAt: Instant;
  /** expiresAt + grace: the end that Vault enforces too. */
  readonly deadline: Instant;
}

/** @throws Problem PROFILE_DENIED unless the caller matches a listed uid or gid, or comes from the admin socket. */
export function authorise(profile: Profile, caller: Caller): void {
  if (caller.admin) return;
  const { uids, gids } = profile.allow;
  const groups = [caller.gid, ...caller.groups];
  if (uids.includes(caller.uid) || gids.some((gid) => groups.includes(gid))) return;
  const listed = uids.length + gids.length > 0;
  throw new Problem('PROFILE_DENIED', `uid ${caller.uid} may not start profile ${profile.name}`, {
    hint: listed
      ? `add the uid or one of its groups to allow: in ${profile.name}.yaml`
      : `${profile.name}.yaml allows nobody: only the admin socket may start it; list uids or gids under allow:`,
  });
}

/**
 * Settles a start: parameters, TTL arithmetic, Vault requests.
 * @throws Problem SIGNAL_INVALID that names the culprit.
 */
export function settle(
  task: TaskId,
  profile: Profile,
  signal: StartSignal,
  caller: Caller,
  now: Moment,
): Settled {
  const params = checkParams(profile, signal.params);
  checkEvent(profile, signal.event);
  if (profile.bind === 'required' && signal.bind === undefined) {
    throw new Problem('SIGNAL_INVALID', `profile ${profile.name} needs a bind`, {
      hint: 'add "bind": {"pid": N} or "bind": {"connection": true} to the start',
    });
  }
  const expiresAt = now.at + askedDuration(profile, signal, now);
  const deadline = expiresAt + profile.ttl.graceMs;
  const values = new Map<string, string>([
    ['task.id', task],
    ['task.profile', profile.name],
    ['task.ttl', `${wholeSeconds(deadline - now.at)}s`],
    ...Object.entries(params).map(([name, value]) => [`params.${name}`, value] as const),
    ...(signal.event === undefined ? [] : [['event.id', signal.event.id] as const]),
  ]);
  const render = (template: string) => renderSegments(template, (name) => values.get(name));
  const asks = profile.secrets.map(
    (rule): Ask => ({
      secret: rule.name,
      method: rule.method,
      path: render(rule.path),
      ...(rule.body === undefined ? {} : { body: renderBody(rule.body, render) }),
      files: rule.files,
    }),
  );
  const plan: Plan = {
    policies: profile.policies,
    asks,
    reader: profile.owner ?? { uid: caller.uid, gid: caller.gid },
    ...(profile.mode === undefined ? {} : { mode: profile.mode }),
  };
  return { plan, params, expiresAt, deadline };
}

function checkParams(profile: Profile, given: Readonly<Record<string, string>>): Record<string, string> {
  const known = Object.keys(profile.params);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(profile.params, name)) {
      throw new Problem('SIGNAL_INVALID', `params.${name} is not a parameter of profile ${profile.name}`, {
        hint: known.length > 0 ? `it takes ${known.join(', ')}` : 'it takes no parameters',
      });
    }
  }
  const params: Record<string, string> = {};
  for (const [name, rule] of Object.entries(profile.params)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) {
      checkParam(name, value, rule);
      params[name] = value;
    } else if (!rule.optional) {
      throw new Problem('SIGNAL_INVALID', `params.${name} is missing`, {
        hint: `give ${name}: ${describe(rule)}`,
      });
    }
  }
  return params;
}

function checkParam(name: string, value: string, rule: ParamRule): void {
  const allowed =
    (rule.enum === undefined || rule.enum.includes(value)) &&
    (rule.pattern === undefined || matches(rule.pattern, value));
  if (!allowed) {
    throw new Problem('SIGNAL_INVALID', `params.${name} has a value that the profile does not allow`, {
      hint: `give ${describe(rule)}`,
    });
  }
  if (!isSegment(value)) {
    throw new Problem('SIGNAL_INVALID', `params.${name} is not ${SEGMENT_RULE}`, {
      hint: 'choose a value without slashes, blanks or wildcards',
    });
  }
}

/** The whole value, not a part of it. Without the u flag where only that takes the pattern (`\-`, `\@`). */
function matches(pattern: string, value: string): boolean {
  const whole = `^(?:${pattern})$`;
  try {
    return new RegExp(whole, 'u').test(value);
  } catch {
    return new RegExp(whole).test(value);
  }
}

const describe = (rule: ParamRule): string =>
  rule.enum !== undefined
    ? `one of ${rule.enum.join(', ')}`
    : `a value matching ${rule.pattern ?? SEGMENT_RULE}`;

function checkEvent(profile: Profile, event: BusinessEvent | undefined): void {
  if (event === undefined) {
    if (!profile.event.required) return;
    throw new Problem('SIGNAL_INVALID', `profile ${profile.name} needs a business event`, {
      hint: 'add "event": {"type": "…", "id": "…"} to the start',
    });
  }
  if (profile.event.types.length > 0 && !profile.event.types.includes(event.type)) {
    throw new Problem('SIGNAL_INVALID', `event.type is not one that profile ${profile.name} takes`, {
      hint: `it takes ${profile.event.types.join(', ')}`,
    });
  }
}

function askedDuration(profile: Profile, signal: StartSignal, now: Moment): number {
  const { defaultMs, maxMs } = profile.ttl;
  const max = formatDuration(maxMs);
  const named = signal.deadline === undefined ? 'duration' : 'deadline';
  const asked =
    signal.deadline === undefined
      ? (signal.durationMs ?? defaultMs)
      : instantOf(signal.deadline, now) - now.at;
  if (!(asked >= 1000)) {
    throw new Problem('SIGNAL_INVALID', `${named} is less than 1s away`, {
      hint:
        named === 'duration' ? 'ask for 1s or more' : 'give a later time in RFC 3339, and compare the clocks',
    });
  }
  if (asked > maxMs) {
    throw new Problem('SIGNAL_INVALID', `${named} is further away than the profile's max of ${max}`, {
      hint: `ask for at most ${max}`,
    });
  }
  return asked;
}

function renderBody(
  body: Readonly<Record<string, unknown>>,
  render: (template: string) => string,
): Record<string, unknown> {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return slots(value).length > 0 ? render(value) : value;
    if (Array.isArray(value)) return value.map(walk);
    if (value !== null && typeof value === 'object')
      return renderBody(value as Record<string, unknown>, render);
    return value;
  };
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, walk(value)]));
}
