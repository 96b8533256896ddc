// Owns the step from a start signal and a profile to a plan: which parameters hold, until when, under
// which policies, which Vault requests, which files, for whom. Invariant: what a plan asks for is a
// subset of its profile; anything that the profile does not allow is refused here, before Vault.

import { aliasOf } from './alias.ts';
import { type Ask, askOf } from './ask.ts';
import { type Asserted, assertedUntil } from './assertion.ts';
import { formatDuration } from './duration.ts';
import { checkWhere, type Evidence } from './evidence.ts';
import type { ProfileName, TaskId } from './ids.ts';
import type { Instant, Moment } from './instant.ts';
import { instantOf } from './instant.ts';
import { checkParams } from './params.ts';
import { type Probe, probeOf } from './probe.ts';
import { Problem } from './problem.ts';
import type { Owner, Profile } from './profile.ts';
import type { Secret } from './secret.ts';
import type { TaskLogin } from './task-login.ts';
import type { TraceContext } from './trace.ts';
import { openUntil } from './window.ts';

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
  /** What the socket that it came by may start; absent where that is left to the profiles. */
  readonly profiles?: readonly string[];
  /**
   * Holds on to the calling process for the time of a start; null where there is none that the agent can hold.
   * @throws Problem IDENTITY_REJECTED when it has ended already, CAPACITY when there is no descriptor left
   */
  readonly pin?: () => PinnedCaller | null;
}

/** The process that asked, and never a later one of its pid. To be closed when the start is answered. */
export interface PinnedCaller {
  readonly evidence: Evidence;
  /** False once it has ended. */
  alive(): boolean;
  close(): void;
}

export type Bind = { readonly pid: number } | { readonly cgroup: string } | { readonly connection: true };

export interface BusinessEvent {
  readonly type: string;
  readonly id: string;
}

/** As logs and command lines have it: type:id. */
export const eventText = (event: BusinessEvent | null): string | null =>
  event === null ? null : `${event.type}:${event.id}`;

/** A start body that the schema has accepted. */
export interface StartSignal {
  readonly profile: ProfileName;
  readonly params: Readonly<Record<string, string>>;
  readonly durationMs?: number;
  /** RFC 3339; stands for a duration. */
  readonly deadline?: string;
  readonly event?: BusinessEvent;
  readonly bind?: Bind;
  /** The living task that this one is a child of. */
  readonly parent?: TaskId;
  /** The JWT that the orchestrator signed for this one task. */
  readonly assertion?: Secret;
  /** The trace that it is part of: beside the body, and no part of what is asked. */
  readonly trace?: TraceContext;
}

/**
 * Everything a grant needs to know of its profile, settled at the start and journaled with it. `{{task.ttl}}`
 * alone is left in its paths and bodies: each generation has its own.
 */
export interface Plan {
  readonly policies: readonly string[];
  /** Logs in with its assertion; absent for a token under the agent's session. */
  readonly login?: TaskLogin;
  /** What Vault itself knows the tokens by: its policies may be templated on this name. */
  readonly entityAlias?: string;
  readonly asks: readonly Ask[];
  readonly reader: Owner;
  readonly mode?: number;
  /** Which server has to take the credential before anybody hears that it is there. */
  readonly ready?: Probe;
  /** How long the generation before is left alive after a rotation, and what the bound process is told by. */
  readonly overlapMs: number;
  readonly onChange?: string;
  /** Its deadline may be moved later. */
  readonly extend: boolean;
}

export interface Settled {
  readonly plan: Plan;
  readonly params: Readonly<Record<string, string>>;
  /** start + asked duration. */
  readonly expiresAt: Instant;
  /** expiresAt + grace. */
  readonly deadline: Instant;
  /** How far the deadline may be moved: the end that Vault enforces too. */
  readonly latestDeadline: Instant;
}

/**
 * @param evidence what was seen of the calling process when it asked
 * @throws Problem PROFILE_DENIED unless the caller matches a listed uid or gid and all other conditions, or comes from
 * the admin socket.
 */
export function authorise(profile: Profile, caller: Caller, evidence: Evidence | null): void {
  if (caller.profiles !== undefined && !caller.profiles.includes(profile.name)) {
    throw new Problem('PROFILE_DENIED', `profile ${profile.name} may not be started through this socket`, {
      hint: `use another socket, or list ${profile.name} under profiles: of this one in sockets:`,
    });
  }
  if (caller.admin) return;
  const { uids, gids } = profile.allow;
  const groups = [caller.gid, ...caller.groups];
  if (uids.includes(caller.uid) || gids.some((gid) => groups.includes(gid))) {
    return checkWhere(profile, evidence, caller.pid !== 0);
  }
  const listed = uids.length + gids.length > 0;
  throw new Problem('PROFILE_DENIED', `uid ${caller.uid} may not start profile ${profile.name}`, {
    hint: listed
      ? `add the uid or one of its groups to allow: in ${profile.name}.yaml`
      : `${profile.name}.yaml allows nobody: only the admin socket may start it; list uids or gids under allow:`,
  });
}

/**
 * Settles a start: parameters, TTL arithmetic, Vault requests.
 * @param asserted what the task's assertion says; null without one
 * @throws Problem SIGNAL_INVALID that names the culprit, PROFILE_DENIED outside the profile's window.
 */
export function settle(
  task: TaskId,
  profile: Profile,
  signal: StartSignal,
  caller: Caller,
  now: Moment,
  asserted: Asserted | null = null,
): Settled {
  const expiresAt = now.at + askedDuration(profile, signal, now);
  const deadline = expiresAt + profile.ttl.graceMs;
  const expires = asserted === null ? null : instantOf(asserted.expires_at, now);
  const end = Math.min(openUntil(profile, now), assertedUntil(profile.allow.assertion, expires, now));
  const latest = profile.ttl.extend ? now.at + profile.ttl.maxMs + profile.ttl.graceMs : deadline;
  return {
    ...fit(task, profile, signal, caller, asserted),
    expiresAt: Math.min(expiresAt, end),
    deadline: Math.min(deadline, end),
    latestDeadline: Math.min(latest, end),
  };
}

/** What a start says that a profile is judged by, again when the profile changes. */
export type Asked = Pick<StartSignal, 'params' | 'event' | 'bind'>;

/**
 * The plan of a task under a profile, and the parameters that hold.
 * @throws Problem SIGNAL_INVALID that names what the profile does not allow
 */
export function fit(
  task: TaskId,
  profile: Profile,
  signal: Asked,
  caller: Pick<Caller, 'uid' | 'gid'>,
  asserted: Asserted | null = null,
): { plan: Plan; params: Readonly<Record<string, string>> } {
  const params = checkParams(profile, signal.params, asserted);
  checkEvent(profile, signal.event);
  if (profile.bind === 'required' && signal.bind === undefined) {
    throw new Problem('SIGNAL_INVALID', `profile ${profile.name} needs a bind`, {
      hint: 'add "bind": {"pid": N} or "bind": {"connection": true} to the start',
    });
  }
  const values = new Map<string, string>([
    ['task.id', task],
    ['task.profile', profile.name],
    ...Object.entries(params).map(([name, value]) => [`params.${name}`, value] as const),
    ...(signal.event === undefined ? [] : [['event.id', signal.event.id] as const]),
  ]);
  const plan: Plan = {
    policies: profile.policies,
    ...loginOf(profile),
    ...(profile.entityAlias === undefined ? {} : { entityAlias: aliasOf(profile.entityAlias, values) }),
    asks: profile.secrets.map((rule): Ask => askOf(rule, values)),
    reader: profile.owner ?? { uid: caller.uid, gid: caller.gid },
    ...(profile.mode === undefined ? {} : { mode: profile.mode }),
    ...(profile.ready === undefined ? {} : { ready: probeOf(profile.ready, (name) => values.get(name)) }),
    overlapMs: profile.overlapMs,
    ...(profile.onChange === undefined ? {} : { onChange: profile.onChange }),
    extend: profile.ttl.extend,
  };
  return { plan, params };
}

const loginOf = ({ login }: Profile): Pick<Plan, 'login'> =>
  login === undefined ? {} : { login: { mount: login.mount, role: login.role } };

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
