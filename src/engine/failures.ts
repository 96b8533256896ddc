// Owns what failed requests to Vault mean to the engine. Invariant: what may be about Vault or our session makes the
// session look; of several failures the one that asks for the most patience counts.

import { mostPatient } from '../domain/lease.ts';
import { Problem } from '../domain/problem.ts';
import { VaultFailure } from '../ports/vault.ts';

/** The problem behind any thrown value, and whether the request may have been carried out. */
export function understand(
  error: unknown,
  session: { suspect(): void },
): { problem: Problem; kind: VaultFailure['kind'] } {
  if (!(error instanceof VaultFailure)) return { problem: Problem.of(error), kind: 'notDone' };
  // A plain refusal is about the request; anything else may be about Vault or our session.
  if (error.forbidden || error.kind !== 'refused') session.suspect();
  return { problem: error.problem, kind: error.kind };
}

/** Vault answered 403. */
export const isForbidden = (error: unknown): boolean => error instanceof VaultFailure && error.forbidden;

/** The values, or of all failures the one that asks for the most patience (Retry-After). */
export function throwSlowest<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  const failures = results.filter((result) => result.status === 'rejected');
  const slowest = mostPatient(failures, ({ reason }) =>
    reason instanceof VaultFailure ? reason.problem : Problem.of(reason),
  );
  if (slowest !== undefined) throw slowest.reason;
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
