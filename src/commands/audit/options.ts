// Owns the options that the audit commands share: where the ledger is, which tasks are meant.

import { join } from 'node:path';
import { readEvent } from '../../cli/args.ts';
import { UsageError } from '../../cli/failure.ts';
import { parseDuration } from '../../domain/duration.ts';

const DEFAULT_CONFIG = '/etc/tasklease/agent.yaml';
/** The ledger's directory in state_dir. */
export const LEDGER_DIR = 'ledger';

export const placeOptions = { config: { type: 'string' }, ledger: { type: 'string' } } as const;

/** Where to read: an export, a file or the directory of a ledger. @throws SettingsFault */
export async function ledgerPath(values: { config?: string; ledger?: string }): Promise<string> {
  if (values.ledger !== undefined) return values.ledger;
  return join(await stateDir(values.config), LEDGER_DIR);
}

/** @throws SettingsFault */
export async function stateDir(config: string = DEFAULT_CONFIG): Promise<string> {
  const { readYaml } = await import('../../adapters/settings/yaml-file.ts');
  const { stateConfig } = await import('../../schema/config.ts');
  return readYaml(config, stateConfig).state_dir;
}

export const filterOptions = {
  event: { type: 'string' },
  profile: { type: 'string' },
  caller: { type: 'string' },
  outcome: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
} as const;

export const filterUsage = `  --event TYPE:ID      of this business event; TYPE:* for all of a type
  --profile P          of this profile
  --caller UID         asked for by this uid
  --outcome O          completed, expired, lost, refused, revoked or failed; or open, stopping, closed
  --since T, --until T under way then: a time (RFC 3339), or how long ago (7d, 12h)`;

export const placeUsage = `  --config FILE        the agent's configuration, for its state_dir (default ${DEFAULT_CONFIG})
  --ledger PATH        instead: an export, a file of the ledger, or the directory with all of them; - is stdin
  -h, --help           this text`;

type Filters = { readonly [Key in keyof typeof filterOptions]?: string };

const OUTCOMES = [
  'completed',
  'expired',
  'lost',
  'refused',
  'revoked',
  'failed',
  'open',
  'stopping',
  'closed',
];

/** @throws UsageError */
export function filterOf({ event, profile, caller, outcome, since, until }: Filters) {
  if (caller !== undefined && !/^\d{1,10}$/.test(caller)) {
    throw new UsageError(`--caller ${JSON.stringify(caller)} is not a uid`, '--caller "$(id -u ci)"');
  }
  if (outcome !== undefined && !OUTCOMES.includes(outcome)) {
    throw new UsageError(`--outcome ${JSON.stringify(outcome)} is none`, `one of ${OUTCOMES.join(', ')}`);
  }
  return {
    ...(event === undefined ? {} : { event: readEvent(event) }),
    ...(profile === undefined ? {} : { profile }),
    ...(caller === undefined ? {} : { uid: Number(caller) }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { since: readTime('--since', since) }),
    ...(until === undefined ? {} : { until: readTime('--until', until) }),
  };
}

/** A time, or how long ago it was; RFC 3339 in UTC with milliseconds, which sorts as text. @throws UsageError */
export function readTime(option: string, text: string, now = Date.now()): string {
  const ago = parseDuration(text);
  const ms = ago === null ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : now - ago;
  if (Number.isFinite(ms)) return new Date(ms).toISOString();
  throw new UsageError(
    `${option} ${JSON.stringify(text)} is not a time`,
    `${option} 2026-11-22T10:00:00Z, or how long ago: ${option} 7d`,
  );
}
