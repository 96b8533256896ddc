// Owns the reading of credentials from files. Invariant: a credential is read anew whenever it is needed, so that one
// that was replaced is used at once; what is refused names the file, never its content.

import { readFileSync, statSync } from 'node:fs';
import { Problem } from '../../domain/problem.ts';
import { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';

/** The files as they are now: another text when one of them was replaced. */
export const fingerprint = (files: readonly string[]): string =>
  files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'none' : `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
    })
    .join(' ');

/**
 * The file's content without the white space around it; `key` is how agent.yaml calls the file.
 * @throws VaultFailure when it cannot be read or is empty
 */
export function readCredential(key: string, file: string): Secret {
  try {
    const bytes = readFileSync(file);
    const trimmed = Buffer.from(bytes.toString('utf8').trim());
    bytes.fill(0);
    if (trimmed.length > 0) return new Secret(trimmed);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new VaultFailure(
      'refused',
      new Problem('VAULT_DENIED', `${key}: ${file} cannot be read (${code})`, {
        cause,
        hint: 'put the credential there, readable for the agent only',
      }),
    );
  }
  throw new VaultFailure(
    'refused',
    new Problem('VAULT_DENIED', `${key}: ${file} is empty`, { hint: 'put the credential there' }),
  );
}

export const text = (secret: Secret): string => Buffer.from(secret.reveal()).toString('utf8');
