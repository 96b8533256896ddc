// Owns the operator's token, with which policies and roles may be read. Invariant: it comes from a file or from
// VAULT_TOKEN, never from the command line, and is given to nothing but the reading of these.

import { readFileSync } from 'node:fs';
import { UsageError } from '../../cli/failure.ts';
import { Secret } from '../../domain/secret.ts';

/** @throws UsageError when the file cannot be read */
export function operatorToken(file: string | undefined, env: NodeJS.ProcessEnv): Secret | null {
  if (file !== undefined) {
    try {
      const text = readFileSync(file, 'utf8').trim();
      if (text !== '') return new Secret(Buffer.from(text));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(
        `--token-file ${file} cannot be read (${code})`,
        'give a file with a Vault token, such as ~/.vault-token',
      );
    }
    throw new UsageError(
      `--token-file ${file} is empty`,
      'give a file with a Vault token, such as ~/.vault-token',
    );
  }
  const given = env.VAULT_TOKEN ?? '';
  return given === '' ? null : new Secret(Buffer.from(given));
}

/** The agent refuses VAULT_TOKEN in its environment; an operator's shell may well have it. */
export function withoutToken(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { VAULT_TOKEN: _token, ...rest } = env;
  return rest;
}
