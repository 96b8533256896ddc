// Owns every sentence that a client command says (the help texts are in help.ts, what stands for the API's
// hints in advice.ts). Invariant: an error says what failed, why, and what to do next; no sentence holds a
// secret.

import { formatDuration } from '../domain/duration.ts';
import { advice } from './advice.ts';
import type { Problem } from './failure.ts';
import { clean, paint, paintError } from './output.ts';

/** Every line on stderr starts with the program's name, as curl's and docker's do. */
const line = (text: string): string => `${paintError('red', 'tasklease:')} ${text}`;
const next = (text: string): string => `  ${paintError('dim', 'next:')} ${text}`;

/** @param command the command that was refused */
export function problem(given: Problem, command: string): string {
  const hint =
    [advice(given, command), again(given)].filter((part) => part !== undefined).join(' ') || undefined;
  return [
    line(`${clean(given.code)} ${clean(given.detail)}`),
    ...(hint === undefined ? [] : [next(clean(hint))]),
  ].join('\n');
}

/** Whole seconds, rounded up as Retry-After is. */
const again = ({ retryAfterMs }: Problem): string | undefined =>
  retryAfterMs === undefined
    ? undefined
    : `(again in ${formatDuration(Math.max(1, Math.ceil(retryAfterMs / 1000)) * 1000)})`;

export const usageError = (message: string, correction: string): string =>
  `${line(message)}\n${next(correction)}`;

export const unexpected = (message: string): string =>
  `${line(`an unexpected error: ${clean(message)}`)}\n${next('repeat the command; if it stays, report it with this line')}`;

export const unknownCommand = (name: string): string => `there is no command ${JSON.stringify(name)}`;
export const noCommand = 'no command was given';
export const tryCommand = (name: string): string => `tasklease ${name} --help`;
export const listCommands = 'tasklease --help lists the commands';

type Socket = { readonly name: string; readonly option: string; readonly access: string };

const WORKLOAD: Socket = {
  name: "the agent's socket (socket.path in agent.yaml)",
  option: '--socket or TASKLEASE_SOCKET',
  access:
    'join the group that owns it (ls -l shows which: socket.group in agent.yaml), or run as a user who may',
};
const ADMIN: Socket = {
  name: 'the admin socket (admin.sock in runtime_dir of agent.yaml)',
  option: '--socket or TASKLEASE_ADMIN_SOCKET',
  access: "run as the agent's user, or as root",
};

/** By errno: why, and what to do next. */
const whyUnreachable: Readonly<Record<string, (socket: Socket) => readonly [why: string, next: string]>> = {
  ENOENT: ({ option }) => [
    'there is no such socket',
    `start the agent (tasklease agent --config agent.yaml), or name its socket with ${option}`,
  ],
  ECONNREFUSED: () => [
    'the socket is there, but nobody listens: the agent has stopped',
    'start the agent again and read what it logged (journalctl -u tasklease)',
  ],
  EACCES: ({ access }) => ['this user may not open the socket', access],
  EPERM: () => ['this user may not open the socket', 'run as a user who may (ls -l shows who)'],
  ENOTSOCK: ({ name, option }) => ['that is not a socket', `name ${name} with ${option}`],
  ENOTDIR: ({ name, option }) => ['part of that path is not a directory', `name ${name} with ${option}`],
  ENAMETOOLONG: () => ['a socket path has at most 107 bytes', 'use a shorter path, or a relative one'],
  EINVAL: () => ['a socket path has 1 to 107 bytes', 'use a shorter path, or a relative one'],
  EAGAIN: () => ['its queue of connections is full', 'try again in a moment'],
  ETIMEDOUT: () => [
    'it did not answer in time',
    'look at what the agent logs (journalctl -u tasklease), then repeat the command',
  ],
  ECONNRESET: () => [
    'it closed the connection before it had answered',
    "repeat the command: every call is idempotent; the agent's log says why it went away",
  ],
};

/** @param admin whether it is the admin socket that the command wants */
export function unreachable(path: string, code: string, admin: boolean): string {
  const [why, then] = whyUnreachable[code]?.(admin ? ADMIN : WORKLOAD) ?? [
    `the connection failed with ${code}`,
    'check that the agent runs and that this is its socket',
  ];
  return `${line(`agent not reachable at ${path}: ${why}`)}\n${next(then)}`;
}

export const pending = (what: string): string =>
  line(`${what}: the files are gone, but the revocation is not proved yet; the agent keeps trying`);
export const pendingNext = (task: string): string =>
  next(`tasklease stop ${task} --wait 5m waits for the proof, tasklease status ${task} shows how it stands`);
export const pendingAll = next('tasklease status shows which tasks are still stopping');
export const unproved = (task: string, count: number): string =>
  `${line(`${task}: ${leases(count)} could not be proved revoked (the receipt says which)`)}\n${next("ask Vault's administrator to look at the paths in the receipt")}`;
export const leases = (count: number): string => (count === 1 ? '1 lease' : `${count} leases`);
export const profileFault = (fault: string): string =>
  `${line(`warning: a profile is faulty: ${clean(fault)}`)}\n${next('correct the file; until then its last good version, if any, is in use')}`;
export const waits = (task: string, until: string): string =>
  `${line(`${task} waits for approval until ${clean(until)}`)}\n${next(`on the agent's host, an approver who did not ask for it: tasklease approve ${task}`)}`;
export const approvable = 'Approve it? [y/N]';
export const notApproved = (task: string): string =>
  `${line(`${task} was not approved and goes on waiting`)}\n${next(`tasklease deny ${task} --reason TEXT tells whoever asked`)}`;
export const noTasks = 'no tasks';
export const nothingToStop = 'no task was running';
export const withdrawn =
  'none: the files were taken away because their credential is dead; a new one is awaited';
/** The colour in which a state is shown. */
export function state(name: string): string {
  if (name === 'active') return paint('green', name);
  return name === 'closed' ? name : paint('yellow', clean(name));
}

export const run = {
  notFound: (command: string): string =>
    `${line(`${clean(command)} was not found on PATH; nothing was leased`)}\n${next('check the spelling, or give its path')}`,
  noSuchFile: (command: string): string =>
    `${line(`${clean(command)} does not exist; nothing was leased`)}\n${next('check the path')}`,
  notExecutable: (command: string): string =>
    `${line(`${clean(command)} cannot be executed; nothing was leased`)}\n${next('give a program file that this user may execute (chmod +x)')}`,
  spawnFailed: (command: string, code: string): string =>
    `${line(`${clean(command)} could not be started (${code}); the task is stopped`)}\n${next('start it without tasklease to see why')}`,
  notActive: (task: string, name: string): string =>
    `${line(`${task} is ${clean(name)}, not active; CMD was not started and the task is stopped`)}\n${next("look at it with tasklease status, and at the agent's log")}`,
  interrupted: (task: string, signal: string): string =>
    line(`${signal} came before ${task} was active; CMD was not started`),
  timeUp: (task: string): string =>
    line(`${task}: the asked duration is over; CMD gets SIGTERM, and SIGKILL at the deadline`),
  deadline: (task: string): string => line(`${task}: the deadline has come; CMD gets SIGKILL`),
  restarting: (task: string): string =>
    line(`${task}: its files have changed; CMD gets SIGTERM and is started again`),
  stoppedByOther: (task: string): string =>
    line(`${task} was stopped by another caller and its files are gone; CMD gets SIGTERM`),
  ended: (task: string, reason: string): string =>
    `${line(`${task} was ended by the agent (${clean(reason)}) and its files are gone; CMD gets SIGTERM`)}\n${next(`tasklease status ${task} and the agent's log say why`)}`,
  lost: (task: string, why: string): string =>
    `${line(`${task} is lost: ${why}; CMD gets SIGTERM`)}\n${next('if the agent stays away, Vault itself ends the lease within the leash; start the task again once the agent is back')}`,
  reconnecting: (seconds: number): string =>
    line(`the agent went away; trying for ${seconds} s to reach it again`),
  awayLong: (task: string, seconds: number): string =>
    `${line(`${task}: the agent has been away for ${seconds} s; CMD goes on with the files it has`)}\n${next('start the agent again: while it is away nobody renews the lease, and Vault ends it within the leash')}`,
  reconnected: line('the agent is back and the task goes on'),
  stopUnheard: (task: string, why: string): string =>
    `${line(`${task}: the agent could not be told to stop it: ${why}`)}\n${next('it notices that this process has ended, or Vault ends the lease within the leash')}`,
  impatient: (task: string): string =>
    line(`${task}: no longer waiting for the proof; the agent goes on revoking`),
} as const;

export const lostWhy = {
  away: (seconds: number): string => `the agent did not come back within ${seconds} s`,
  unknown: 'the agent no longer knows it',
} as const;

export const streamEnded = (): string =>
  `${line('the agent ended the stream')}\n${next('tasklease health says whether it is still there')}`;
