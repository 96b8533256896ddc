// Owns what can be said of a directory or file without touching it, for doctor: the same rules as directory.ts, which
// makes and narrows. Invariant: nothing is made, and nothing changes its mode.

import { lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

export interface Fault {
  readonly detail: string;
  readonly fix: string;
  /** It could not be looked at: nothing is known to be wrong. */
  readonly unseen?: true;
}

export interface Seen {
  readonly exists: boolean;
  /** The nearest directory above that does exist; the path itself where it does. */
  readonly nearest: string;
  readonly fault: Fault | null;
  readonly mode: number;
  readonly uid: number;
}

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;

/** @param agent the uid of the agent: what belongs to it or to root is out of others' reach */
export function inspectDirectory(
  path: string,
  agent: number,
  kind: 'private' | 'shared' | 'volume' | 'read',
): Seen {
  const stat = look(path);
  if (stat instanceof Error)
    return absent(path, {
      detail: `${path} cannot be looked at (${stat.message})`,
      fix: RERUN,
      unseen: true,
    });
  const nearest = nearestOf(path);
  const parents = parentFault(nearest === path ? dirname(path) : nearest, agent);
  if (stat === null) return absent(path, parents, nearest);
  const seen = { exists: true, nearest: path, mode: stat.mode & 0o7777, uid: stat.uid };
  const fault = ownFault(path, stat, agent, kind) ?? parents;
  return { ...seen, fault };
}

const RERUN = "run doctor as the agent's user, or as root";

const absent = (path: string, fault: Fault | null, nearest = path): Seen => ({
  exists: false,
  nearest,
  fault,
  mode: 0,
  uid: -1,
});

function ownFault(path: string, stat: Stats, agent: number, kind: string): Fault | null {
  if (stat.isSymbolicLink()) return { detail: `${path} is a symbolic link`, fix: 'give the real directory' };
  if (!stat.isDirectory()) return { detail: `${path} is not a directory`, fix: 'give a directory' };
  const owner = ownerFault(path, stat, agent);
  if (owner !== null) return owner;
  const { mode } = stat;
  if (kind === 'private' && (mode & 0o077) !== 0 && stat.uid !== agent)
    return { detail: `${path} is open to others (mode ${octal(mode)})`, fix: `chmod 0700 ${path}` };
  const isVolume = stat.uid === 0 && (mode & 0o002) !== 0;
  if (kind === 'volume' && isVolume) return null;
  if (kind === 'shared' && (isVolume || (mode & 0o1000) !== 0)) return null;
  if ((mode & 0o022) !== 0) return openFault(path, mode);
  return null;
}

function parentFault(start: string, agent: number): Fault | null {
  for (let dir = start; ; dir = dirname(dir)) {
    const stat = look(dir);
    if (stat instanceof Error)
      return { detail: `${dir} cannot be looked at (${stat.message})`, fix: RERUN, unseen: true };
    if (stat !== null) {
      if (!stat.isDirectory()) return { detail: `${dir} is not a real directory`, fix: 'give the real path' };
      const owner = ownerFault(dir, stat, agent);
      if (owner !== null) return owner;
      const sticky = (stat.mode & 0o1000) !== 0;
      const isVolume = stat.uid === 0 && (stat.mode & 0o002) !== 0;
      if ((stat.mode & 0o022) !== 0 && !sticky && !isVolume) return openFault(dir, stat.mode);
    }
    if (dir === dirname(dir)) return null;
  }
}

const ownerFault = (path: string, { uid }: Stats, agent: number): Fault | null =>
  uid === 0 || uid === agent
    ? null
    : {
        detail: `${path} belongs to uid ${uid}, who could change what is in it`,
        fix: `chown it to root or to the agent's uid ${agent}`,
      };

const openFault = (path: string, mode: number): Fault => ({
  detail: `${path} can be changed by others (mode ${octal(mode)})`,
  fix: `chmod go-w ${path}`,
});

/** Null where nothing is there; the error where one may not look. */
function look(path: string): Stats | null | Error {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? null : new Error(code);
  }
}

function nearestOf(path: string): string {
  for (let dir = path; ; dir = dirname(dir)) {
    const stat = look(dir);
    if (stat !== null && !(stat instanceof Error)) return dir;
    if (dir === dirname(dir)) return dir;
  }
}

/** Whether a file with a credential is read by more than its owner; null where it is as it should be. */
export function inspectCredential(path: string, agent: number): Fault | null {
  const stat = look(path);
  if (stat === null)
    return { detail: `${path} is not there`, fix: 'put the credential there, readable for the agent only' };
  if (stat instanceof Error)
    return { detail: `${path} cannot be looked at (${stat.message})`, fix: RERUN, unseen: true };
  // A link is how Kubernetes and systemd hand credentials over.
  if (stat.isSymbolicLink()) return null;
  if ((stat.mode & 0o022) !== 0)
    return {
      detail: `${path} can be changed by others (mode ${octal(stat.mode)})`,
      fix: `chmod 0600 ${path}`,
    };
  if ((stat.mode & 0o004) !== 0)
    return {
      detail: `${path} can be read by everybody (mode ${octal(stat.mode)})`,
      fix: `chmod 0600 ${path}`,
    };
  return ownerFault(path, stat, agent);
}
