// Owns doctor's look at the agent's directories and credentials: owners, modes, file systems. Invariant: it makes and
// narrows nothing; what the agent would make by itself is said to be so.

import { dirname } from 'node:path';
import { isInMemory } from '../../adapters/files/directory.ts';
import { type Fault, inspectCredential, inspectDirectory } from '../../adapters/files/inspect.ts';
import { apartFromWorkloads } from '../../adapters/files/volumes.ts';
import { groupId } from '../../adapters/system/host.ts';
import { FLEETING, fileSystem, REMOTE } from '../../adapters/system/look.ts';
import { workloadSockets } from '../../compose/sockets.ts';
import { Problem } from '../../domain/problem.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';
import type { Subject } from './subject.ts';

export const directories = (subject: Subject): Finding[] => {
  const { config } = subject.settings;
  const sockets = workloadSockets(config).map(({ key, path }) => [`${key}.path`, dirname(path)] as const);
  return [
    ...memory(subject, 'runtime_dir', 'private', 'the session token would reach a disk'),
    ...apart(config.runtime_dir, [...sockets, ['secrets_dir', config.secrets_dir]]),
    ...memory(subject, 'secrets_dir', 'volume', 'secrets would reach a disk'),
    ...passage(subject),
    ...plain(subject, 'state_dir', config.state_dir, 'private'),
    ...durable(config.state_dir),
    ...plain(subject, 'profiles_dir', config.profiles_dir, 'read'),
    ...sockets.flatMap(([key, dir]) => plain(subject, key, dir, 'shared')),
    ...groups(subject),
    ...credentials(subject),
  ];
};

/** What is closed to this user may well be as the agent needs it. */
const isForeign = (agent: number): boolean => process.geteuid!() !== agent;
const unseen = (id: string, key: string, { detail, fix }: Fault): Finding =>
  info(id, `${key}: ${detail}`, 'doctor does not run as the agent, so this was not seen', fix);

type Kind = Parameters<typeof inspectDirectory>[2];

function plain({ uid }: Subject, key: string, path: string, kind: Kind): Finding[] {
  const id = `directory.${key}`;
  const seen = inspectDirectory(path, uid, kind);
  if (seen.fault?.unseen === true && isForeign(uid)) return [unseen(id, key, seen.fault)];
  if (seen.fault !== null)
    return [
      error(
        id,
        `${key}: ${seen.fault.detail}`,
        'the agent refuses a directory that others could change',
        seen.fault.fix,
      ),
    ];
  if (!seen.exists) return [ok(id, `${key}: ${path} is not there yet; the agent makes it`)];
  const foreign = seen.uid !== uid && uid !== 0 && (kind === 'private' || kind === 'volume');
  if (foreign && (seen.mode & 0o002) === 0)
    return [
      error(
        id,
        `${key}: ${path} belongs to root`,
        `the agent (uid ${uid}) cannot write there`,
        `chown ${uid} ${path}`,
      ),
    ];
  const narrow = kind === 'private' && (seen.mode & 0o077) !== 0 ? '; the agent will make it 0700' : '';
  return [ok(id, `${key}: ${path} belongs to uid ${seen.uid}, mode 0${seen.mode.toString(8)}${narrow}`)];
}

function memory(subject: Subject, key: 'runtime_dir' | 'secrets_dir', kind: Kind, why: string): Finding[] {
  const path = subject.settings.config[key];
  const { nearest } = inspectDirectory(path, subject.uid, kind);
  const found = plain(subject, key, path, kind);
  const id = `memory.${key}`;
  // The agent makes the directory, but not before its start: where it is missing, a mount alone would fail.
  const make = nearest === path ? '' : `mkdir -p ${path} && `;
  const mode = key === 'secrets_dir' ? '0711' : '0700';
  const next = `${make}mount -t tmpfs -o size=16m,mode=${mode},noswap tmpfs ${path}`;
  try {
    if (!isInMemory(nearest))
      return [...found, error(id, `${key}: ${nearest} is not on tmpfs or ramfs`, why, next)];
  } catch {
    return found;
  }
  const free = fileSystem(nearest)?.freeBytes ?? 0;
  if (free < 1024 * 1024)
    return [
      ...found,
      warning(
        id,
        `${key}: less than 1 MiB is free on ${nearest}`,
        'a start whose files do not fit is refused',
        'make room, or give it a larger tmpfs',
      ),
    ];
  return [...found, ok(id, `${key}: on tmpfs, ${Math.floor(free / 1024 / 1024)} MiB free`)];
}

function apart(runtime: string, shared: readonly (readonly [string, string])[]): Finding[] {
  try {
    apartFromWorkloads('runtime_dir', runtime, shared);
    return [];
  } catch (failure) {
    const { message, hint } = Problem.of(failure);
    return [
      error(
        'directory.apart',
        message,
        'workloads could reach the admin socket and the session token',
        hint ?? 'give it a tmpfs of its own',
      ),
    ];
  }
}

/** Readers who are not the agent have to pass through secrets_dir. */
function passage({ settings, uid, profiles }: Subject): Finding[] {
  const path = settings.config.secrets_dir;
  const seen = inspectDirectory(path, uid, 'volume');
  if (!seen.exists || (seen.mode & 0o011) !== 0) return [];
  const other = profiles
    .flatMap(({ owner, allow }) => owner?.uid ?? allow.uids)
    .find((each) => each !== uid && each !== 0);
  if (other === undefined) return [];
  return [
    error(
      'directory.passage',
      `secrets_dir: uid ${other} cannot pass through ${path} (mode 0${seen.mode.toString(8)})`,
      'its files could not be read by their reader',
      `chmod 0711 ${path}`,
    ),
  ];
}

const PROMISES =
  'after a crash or a new pod nobody knows what was leased: proof at stop (promise 2), no replay of ids (7) and nothing lost (9) shrink to the leash (5)';
const SPACE = 64 * 1024 * 1024;

function durable(path: string): Finding[] {
  const { nearest } = inspectDirectory(path, process.geteuid!(), 'read');
  const fs = fileSystem(nearest);
  if (fs === null) return [];
  const found: Finding[] = [];
  const fleeting = FLEETING[fs.type];
  const remote = REMOTE[fs.type >>> 0];
  const durable = 'state.durable';
  if (fleeting !== undefined) {
    found.push(
      warning(
        durable,
        `state_dir: ${nearest} is on ${fleeting}, which does not outlive the host or the container`,
        PROMISES,
        'give state_dir a volume that is kept, or accept that the leash is what ends things',
      ),
    );
  } else if (remote !== undefined) {
    found.push(
      warning(
        durable,
        `state_dir: ${nearest} is on ${remote}`,
        "SQLite's log needs the locks and shared memory of a local file system",
        'give state_dir a local disk',
      ),
    );
  } else found.push(ok(durable, `state_dir: on a file system that is kept`));
  const mebibytes = Math.floor(fs.freeBytes / 1024 / 1024);
  found.push(
    fs.freeBytes < SPACE
      ? warning(
          'state.space',
          `state_dir: ${mebibytes} MiB are free`,
          'no task is started while the journal cannot be written',
          'make room',
        )
      : ok('state.space', `state_dir: ${mebibytes} MiB are free`),
  );
  return found;
}

function groups({ settings: { config } }: Subject): Finding[] {
  return workloadSockets(config).flatMap(({ key, group }) => {
    if (group === undefined) return [];
    const id = groupId(group);
    if (id !== null) return [ok(`group.${key}`, `${key}.group: ${group} is gid ${id}`)];
    return [
      error(
        `group.${key}`,
        `${key}.group: there is no group ${group}`,
        'the agent refuses to start',
        'make it (groupadd), or leave the key out',
      ),
    ];
  });
}

function credentials({ settings: { config }, uid, pid }: Subject): Finding[] {
  const { auth } = config.vault;
  const files = Object.entries(auth).filter((entry): entry is [string, string] => entry[0].endsWith('_file'));
  return files.map(([key, file]) => {
    const id = `credential.${key}`;
    const used = auth.method === 'approle' && auth.secret_id_wrapped && key === 'secret_id_file';
    const fault = inspectCredential(file, uid);
    if (fault?.unseen === true && isForeign(uid)) return unseen(id, `vault.auth.${key}`, fault);
    if (fault === null) return ok(id, `vault.auth.${key}: ${file} is readable for the agent only`);
    if (used && /is not there/.test(fault.detail)) {
      const what = `vault.auth.${key}: ${file} is not there: it was used and deleted, or never put there`;
      const reason = 'a wrapped secret id works once';
      return pid === null
        ? warning(id, what, reason, 'put a new wrapped secret id there before the agent starts')
        : info(id, what, reason, 'put a new one there before the next start of the agent');
    }
    return error(
      id,
      `vault.auth.${key}: ${fault.detail}`,
      'whoever has it can log in as the agent, or the agent cannot',
      fault.fix,
    );
  });
}
