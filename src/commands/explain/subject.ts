// Owns what is to be explained: a start of a profile as its caller would send it, settled by the agent's own rules.
// Invariant: what the agent would refuse is refused here in the same words; only what is the assertion's or the
// binding's to say is taken from the command line instead.

import type { TaskId } from '../../domain/ids.ts';
import type { Moment } from '../../domain/instant.ts';
import { Problem } from '../../domain/problem.ts';
import type { ParamRule, Profile } from '../../domain/profile.ts';
import { authorise, type BusinessEvent, type Caller, type Settled, settle } from '../../domain/task-spec.ts';

export interface Asked {
  readonly task: TaskId;
  readonly params: Readonly<Record<string, string>>;
  readonly durationMs: number | undefined;
  readonly deadline: string | undefined;
  readonly event: BusinessEvent | undefined;
  readonly uid: number;
  readonly gid: number;
}

export interface Explained {
  readonly profile: Profile;
  readonly asked: Asked;
  readonly now: Moment;
  readonly settled: Settled;
  /** Why such a start would be refused at this moment by this caller; what follows holds all the same. */
  readonly refusals: readonly Problem[];
}

/** @throws Problem for a start that the profile refuses whatever the time and the caller */
export function explained(profile: Profile, asked: Asked, now: Moment): Explained {
  const caller: Caller = { uid: asked.uid, gid: asked.gid, groups: [], pid: 0, admin: false };
  const signal = {
    profile: profile.name,
    params: asked.params,
    ...(asked.durationMs === undefined ? {} : { durationMs: asked.durationMs }),
    ...(asked.deadline === undefined ? {} : { deadline: asked.deadline }),
    ...(asked.event === undefined ? {} : { event: asked.event }),
    bind: { connection: true as const },
  };
  const open = withoutClaims(profile);
  const refusals: Problem[] = [];
  const tried = <T>(run: () => T): T | null => {
    try {
      return run();
    } catch (error) {
      refusals.push(Problem.of(error));
      return null;
    }
  };
  // Conditions on the process are told, and judged when it asks.
  const { where: _where, ...allow } = profile.allow;
  tried(() => authorise({ ...profile, allow }, caller, null));
  let settled: Settled;
  try {
    settled = settle(asked.task, open, signal, caller, now);
  } catch (error) {
    const problem = Problem.of(error);
    if (problem.code !== 'PROFILE_DENIED' || profile.allow.window === undefined) throw problem;
    refusals.push(problem);
    const { window: _window, ...always } = open.allow;
    settled = settle(asked.task, { ...open, allow: always }, signal, caller, now);
  }
  return { profile, asked, now, settled, refusals };
}

/** A parameter that the assertion decides is given on the command line here, as what the pattern captures. */
function withoutClaims(profile: Profile): Profile {
  const params = Object.fromEntries(
    Object.entries(profile.params).map(([name, rule]): [string, ParamRule] => {
      if (rule.claim === undefined) return [name, rule];
      const { claim: _claim, pattern: _pattern, ...rest } = rule;
      return [name, rest.enum === undefined ? { ...rest, pattern: '.*' } : rest];
    }),
  );
  return { ...profile, params };
}
