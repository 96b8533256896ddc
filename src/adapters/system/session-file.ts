// Owns the file that keeps session tokens across a restart of the agent. Invariant: 0600, in a
// directory that is tmpfs, replaced by rename.

import { closeSync, constants, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { Secret } from '../../domain/secret.ts';
import type { SessionStore } from '../../ports/session-store.ts';

const NEWLINE = Buffer.from('\n');

export function sessionFile(path: string): SessionStore {
  return {
    load() {
      try {
        return lines(readFileSync(path));
      } catch {
        return [];
      }
    },
    save(tokens) {
      if (tokens.length === 0) return rmSync(path, { force: true });
      const draft = `${path}.new`;
      rmSync(draft, { force: true });
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const fd = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        for (const token of tokens) {
          writeSync(fd, token.reveal());
          writeSync(fd, NEWLINE);
        }
      } finally {
        closeSync(fd);
      }
      renameSync(draft, path);
    },
  };
}

function lines(bytes: Buffer): Secret[] {
  const tokens: Secret[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    const stop = end === -1 ? bytes.length : end;
    if (stop > start) tokens.push(new Secret(Uint8Array.from(bytes.subarray(start, stop))));
    start = stop + 1;
  }
  bytes.fill(0);
  return tokens;
}
