// Owns the file that keeps the session token across a restart of the agent. Invariant: 0600, in a
// directory that is tmpfs, replaced by rename; on any other file system nothing is ever written.

import { closeSync, constants, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { Secret } from '../../domain/secret.ts';
import type { SessionStore } from '../../ports/session-store.ts';

export function sessionFile(path: string): SessionStore {
  return {
    load() {
      try {
        return new Secret(readFileSync(path));
      } catch {
        return null;
      }
    },
    save(token) {
      const draft = `${path}.new`;
      rmSync(draft, { force: true });
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const fd = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        writeSync(fd, token.reveal());
      } finally {
        closeSync(fd);
      }
      renameSync(draft, path);
    },
    clear: () => rmSync(path, { force: true }),
  };
}

/** For a runtime_dir that is not tmpfs: a restarted agent logs in anew. */
export const noSessionFile: SessionStore = { load: () => null, save: () => {}, clear: () => {} };
