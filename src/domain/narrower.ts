// Owns whether a plan stays within an earlier one. Invariant: what is not known to be harmless counts as more.

import { canonical } from './canonical.ts';
import { modeWithin, showsNoMore } from './shown.ts';
import type { Plan } from './task-spec.ts';

/** True when every policy, request and file of `plan` is one of `approved`, for the same readers or fewer. */
export function isWithin(plan: Plan, approved: Plan): boolean {
  return (
    plan.policies.every((policy) => approved.policies.includes(policy)) &&
    plan.asks.every((ask) => {
      const before = approved.asks.find(({ secret }) => secret === ask.secret);
      return before !== undefined && asksWithin(ask, plan, before, approved);
    }) &&
    // Without a probe the credential goes nowhere; with another it goes to somebody else.
    (plan.ready === undefined || canonical(plan.ready) === canonical(approved.ready ?? null)) &&
    modeWithin(plan.mode, approved.mode) &&
    rest(plan) === rest(approved)
  );
}

type PlannedAsk = Plan['asks'][number];

/** The same request to Vault, and no file that shows more, or to more; what a file looks like does not matter. */
function asksWithin(ask: PlannedAsk, plan: Plan, before: PlannedAsk, approved: Plan): boolean {
  const others = [...plan.asks, ...approved.asks]
    .map(({ secret }) => secret)
    .filter((other) => other !== ask.secret);
  return (
    request(ask) === request(before) && ask.files.every((file) => showsNoMore(file, before.files, others))
  );
}

/** All of a request but its files: also what this version of the agent does not know. */
const request = ({ files: _f, ...asked }: PlannedAsk): string =>
  canonical({ ...asked, body: asked.body ?? null });

/** Everything beside these that is not about rotations alone. */
function rest({
  policies: _p,
  asks: _a,
  ready: _r,
  mode: _m,
  overlapMs: _o,
  onChange: _c,
  extend: _e,
  ...others
}: Plan): string {
  return canonical(others);
}
