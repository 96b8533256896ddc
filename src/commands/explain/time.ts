// Owns the arithmetic of a task's time, a line a step, as the agent and Vault do it.

import { formatDuration, wholeSeconds } from '../../domain/duration.ts';
import type { AgentConfig } from '../../schema/config.ts';
import type { Explained } from './subject.ts';

export interface TimeLine {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

/** What Vault says of the tokens of a role; null where it was not asked. */
export interface RoleMax {
  readonly seconds: number;
  readonly from: string;
}

export function timeLines(
  explained: Explained,
  { vault }: AgentConfig,
  max: RoleMax | null,
  unasked: string,
): TimeLine[] {
  const { profile, asked, now, settled } = explained;
  const { ttl, allow, login } = profile;
  const wall = (at: number) => new Date(at - now.at + now.wallMs).toISOString();
  const since = (at: number) => formatDuration(at - now.at);
  const askedMs =
    asked.durationMs ??
    (asked.deadline === undefined ? ttl.defaultMs : Date.parse(asked.deadline) - now.wallMs);
  const whence =
    asked.durationMs !== undefined
      ? '--duration'
      : asked.deadline !== undefined
        ? '--deadline'
        : "the profile's default";
  const sum = askedMs + ttl.graceMs;
  const cut = settled.deadline - now.at < sum - 500;
  const tokenSeconds = login === undefined ? wholeSeconds(settled.latestDeadline - now.at) : null;
  const lines: TimeLine[] = [
    { name: 'asked', value: formatDuration(askedMs), note: whence },
    { name: 'profile max', value: formatDuration(ttl.maxMs), note: 'ttl.max: more is refused' },
    {
      name: 'grace',
      value: formatDuration(ttl.graceMs),
      note: 'ttl.grace: from the end of what was asked to the deadline',
    },
    { name: 'sum', value: formatDuration(sum), note: 'asked + grace' },
    windowLine(explained, wall),
    assertionLine(explained),
    { name: 'ends', value: wall(settled.expiresAt), note: 'a well-behaved task is told to end here' },
    {
      name: 'deadline',
      value: wall(settled.deadline),
      note: `${since(settled.deadline)} after the start${cut ? ', cut by the window' : ''}; then it is stopped`,
    },
    ttl.extend
      ? {
          name: 'extend',
          value: wall(settled.latestDeadline),
          note: 'ttl.extend: the deadline can be moved up to max + grace',
        }
      : { name: 'extend', value: 'no', note: 'ttl.extend: the deadline cannot be moved' },
  ];
  if (tokenSeconds !== null) {
    lines.push(
      {
        name: 'role max',
        value: max === null ? 'not known' : formatDuration(max.seconds * 1000),
        note: max === null ? unasked : max.from,
      },
      {
        name: 'task token',
        value: `${tokenSeconds}s`,
        note:
          max !== null && max.seconds < tokenSeconds
            ? `Vault gives ${max.seconds}s only: the start is refused`
            : 'not renewable: Vault ends it then, with or without the agent',
      },
    );
  } else {
    lines.push({
      name: 'task token',
      value: `at most ${formatDuration(vault.leash)}`,
      note: `role ${login!.role} of auth/${login!.mount} decides; the agent renews it up to the deadline`,
    });
  }
  lines.push({
    name: 'leash',
    value: formatDuration(vault.leash),
    note: 'when the agent is gone, Vault ends all within this',
  });
  return lines.map((line) =>
    allow.window === undefined && line.name === 'window' ? { ...line, value: 'none' } : line,
  );
}

function windowLine({ profile, now }: Explained, wall: (at: number) => string): TimeLine {
  const { window } = profile.allow;
  if (window === undefined) return { name: 'window', value: 'none', note: 'allow.when' };
  const day = 86_400_000;
  const clock = (ms: number) => new Date(ms % day).toISOString().slice(11, 16);
  const value = `${clock(window.fromMs)}-${window.toMs === day ? '24:00' : clock(window.toMs)} UTC`;
  const length = (window.toMs - window.fromMs + day) % day || day;
  const into = ((now.wallMs % day) - window.fromMs + day) % day;
  const note =
    into < length
      ? `open until ${wall(now.at + length - into)}; caps the deadline`
      : `closed now; opens at ${wall(now.at + day - into)}`;
  return { name: 'window', value, note };
}

function assertionLine({ profile }: Explained): TimeLine {
  const { assertion } = profile.allow;
  if (assertion === undefined) return { name: 'assertion', value: 'none', note: 'allow.assertion' };
  return assertion.capsTtl
    ? { name: 'assertion', value: 'caps', note: 'caps_ttl: true: the deadline is never after its exp' }
    : {
        name: 'assertion',
        value: 'no cap',
        note: 'its exp limits when the task may start, not how long it lives',
      };
}
