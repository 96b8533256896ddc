// Owns the count of what Vault is asked and of how it fails. Invariant: it changes no request and no answer.

import type { Clock } from '../ports/clock.ts';
import type { Meter } from '../ports/metrics.ts';
import { type FailureKind, type Vault, VaultFailure } from '../ports/vault.ts';

const KIND: Readonly<Record<FailureKind, string>> = {
  refused: 'refused',
  later: 'later',
  notDone: 'not_done',
  unknown: 'unknown',
};

/** The same Vault, with every request timed and every failure counted. */
export function watchedVault<Port extends Vault>(vault: Port, clock: Clock, meter: Meter): Port {
  const watched: Port = Object.create(vault);
  for (const verb of VERBS) {
    const ask = vault[verb].bind(vault) as (...args: unknown[]) => Promise<unknown>;
    const labels = { request: verb.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) };
    const timed = (...args: unknown[]): Promise<unknown> => {
      const asked = clock.now().at;
      const answer = ask(...args);
      const done = () =>
        meter.time('tasklease_vault_request_duration_seconds', (clock.now().at - asked) / 1000, labels);
      answer.then(done, (error: unknown) => {
        done();
        if (!(error instanceof VaultFailure)) return;
        meter.count('tasklease_vault_errors_total', { kind: KIND[error.kind], code: error.problem.code });
      });
      return answer;
    };
    Object.defineProperty(watched, verb, { value: timed, enumerable: true });
  }
  return watched;
}

const VERBS = [
  ...(['openSession', 'renewSession', 'closeSession', 'createToken', 'login', 'renewToken'] as const),
  ...(['claimUse', 'readSecret', 'lookupLease', 'renewLease', 'revokeLease'] as const),
  ...(['revokeToken', 'lookupToken', 'rightsOf'] as const),
  ...(['lookupCertificate', 'revokeCertificate', 'mayRevokeCertificates'] as const),
] as const satisfies readonly (keyof Vault)[];

// A verb that is not listed would go uncounted.
type Missing = Exclude<keyof Vault, (typeof VERBS)[number]>;
const complete: [Missing] extends [never] ? true : Missing = true;
void complete;
