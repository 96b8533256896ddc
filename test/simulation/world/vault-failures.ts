// Owns what a simulated Vault says when it says no. Invariant: each failure means what the real adapter makes of
// the same answer (src/adapters/vault/classify.ts).

import { Problem, type ProblemCode } from '../../../src/domain/problem.ts';
import { type FailureKind, VaultFailure } from '../../../src/ports/vault.ts';

export const failure = (
  kind: FailureKind,
  code: ProblemCode,
  detail: string,
  missing = false,
): VaultFailure =>
  new VaultFailure(kind, new Problem(code, detail, { hint: 'simulated' }), missing, /\b403\b/.test(detail));
export const refused = (status: number, said: string, missing = false): VaultFailure =>
  failure('refused', 'VAULT_DENIED', `${status}: ${said}`, missing);
export const unknown = (detail: string): VaultFailure => failure('unknown', 'VAULT_UNREACHABLE', detail);
export const tooMany = (retryAfterMs: number): VaultFailure =>
  new VaultFailure(
    'later',
    new Problem('VAULT_UNREACHABLE', '429: request path has exceeded its quota', {
      hint: 'simulated',
      retryAfterMs,
    }),
  );
