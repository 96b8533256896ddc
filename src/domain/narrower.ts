// Owns whether a plan stays within an earlier one. Invariant: what is not known to be harmless counts as more.

import { canonical } from './canonical.ts';
import { drawnFrom } from './file-rule.ts';
import type { Plan } from './task-spec.ts';

/** True when every policy and every request of `plan` is one of `approved`, for the same readers. */
export function isWithin(plan: Plan, approved: Plan): boolean {
  const asked = new Map(approved.asks.map((ask) => [ask.secret, reach(ask, approved)]));
  return (
    plan.policies.every((policy) => approved.policies.includes(policy)) &&
    plan.asks.every((ask) => asked.get(ask.secret) === reach(ask, plan)) &&
    rest(plan) === rest(approved)
  );
}

/** What Vault is asked for and who may read of which secrets; what the files look like does not matter. */
function reach({ secret, method, path, body, files, ...terms }: Plan['asks'][number], plan: Plan): string {
  const others = plan.asks.map((ask) => ask.secret).filter((other) => other !== secret);
  const readers = files
    .map((file) => ({
      name: file.name,
      mode: file.mode ?? null,
      owner: file.owner ?? null,
      of: drawnFrom(file, others),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return canonical({ method, path, body: body ?? null, terms, readers });
}

/** Everything beside its requests and policies that is not about rotations alone. */
function rest({ policies: _p, asks: _a, overlapMs: _o, onChange: _c, extend: _e, ...others }: Plan): string {
  return canonical(others);
}
