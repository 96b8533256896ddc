// Owns the file that keeps session tokens across a restart of the agent. Invariant: 0600, in a
// directory that is tmpfs, replaced by rename.

import { closeSync, constants, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { Secret } from '../../domain/secret.ts';
import type { KeptSession, SessionStore } from '../../ports/session-store.ts';

const NEWLINE = Buffer.from('\n');
const SPACE = Buffer.from(' ');

export function sessionFile(path: string): SessionStore {
  return {
    load() {
      try {
        return lines(readFileSync(path));
      } catch {
        return [];
      }
    },
    save(sessions) {
      if (sessions.length === 0) return rmSync(path, { force: true });
      const draft = `${path}.new`;
      rmSync(draft, { force: true });
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const fd = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        for (const { accessor, token } of sessions) {
          writeWhole(fd, Buffer.from(`${accessor} `));
          writeWhole(fd, token.reveal());
          writeWhole(fd, NEWLINE);
        }
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      } finally {
        closeSync(fd);
      }
      renameSync(draft, path);
    },
  };
}

/** A tmpfs that is full takes a part of what is written before it says so. */
function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** Lines of `accessor token`; one of an earlier version has the token alone. */
function lines(bytes: Buffer): KeptSession[] {
  const sessions: KeptSession[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    const stop = end === -1 ? bytes.length : end;
    const space = bytes.subarray(start, stop).indexOf(SPACE);
    const token = start + space + 1;
    if (stop > token) {
      sessions.push({
        accessor: bytes.toString('latin1', start, Math.max(start, token - 1)),
        token: new Secret(Uint8Array.from(bytes.subarray(token, stop))),
      });
    }
    start = stop + 1;
  }
  bytes.fill(0);
  return sessions;
}
