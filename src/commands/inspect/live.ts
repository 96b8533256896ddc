// Owns the agent's place at Vault for doctor and explain: logs in, makes a session, asks, and ends both. Invariant: a
// wrapped secret id is never used up; where a login is not to be had, it says why.

import { join } from 'node:path';
import { sessionFile } from '../../adapters/system/session-file.ts';
import { type Examiner, examineVault, type MadeToken } from '../../adapters/vault/examine.ts';
import type { VaultOptions } from '../../adapters/vault/vault-client.ts';
import { Problem } from '../../domain/problem.ts';
import type { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';

export type LoginOutcome =
  | { readonly step: 'ready'; readonly login: Secret; readonly session: MadeToken }
  /** Not tried: `why` says so. `kept` is the running agent's own session, to be asked of and nothing else. */
  | { readonly step: 'skipped'; readonly why: string; readonly kept: Secret | null }
  | {
      readonly step: 'login' | 'session';
      readonly problem: Problem;
      readonly login: Secret | null;
      /** Policies of the login that Vault refused a session (403); null for every other failure. */
      readonly refused: readonly string[] | null;
    };

export interface Live {
  readonly vault: Examiner;
  readonly outcome: LoginOutcome;
}

export const isWrapped = ({ auth }: VaultOptions): boolean =>
  auth.method === 'approle' && auth.secretIdWrapped;

/** @param use false leaves the login out */
export async function enter(options: VaultOptions, runtimeDir: string, use: boolean): Promise<Live> {
  const vault = examineVault(options);
  if (!use || isWrapped(options)) {
    const why = use
      ? 'the secret id is wrapped: a login here would use it up, and the agent could not log in any more'
      : 'no login was asked for';
    const [kept] = sessionFile(join(runtimeDir, 'session-token')).load();
    return { vault, outcome: { step: 'skipped', why, kept: kept?.token ?? null } };
  }
  let login: Secret | null = null;
  try {
    login = await vault.login();
    return { vault, outcome: { step: 'ready', login, session: await vault.session(login) } };
  } catch (error) {
    const refused = login === null ? null : await refusedPolicies(vault, login, error);
    const step = login === null ? 'login' : 'session';
    return { vault, outcome: { step, problem: problemOf(error), login, refused } };
  }
}

async function refusedPolicies(vault: Examiner, login: Secret, error: unknown): Promise<string[] | null> {
  if (!(error instanceof VaultFailure) || !error.forbidden) return null;
  const seen = await vault.read(login, 'auth/token/lookup-self').catch(() => null);
  return Array.isArray(seen?.policies) ? (seen.policies as string[]) : [];
}

export const problemOf = (error: unknown): Problem =>
  error instanceof VaultFailure ? error.problem : Problem.of(error);
