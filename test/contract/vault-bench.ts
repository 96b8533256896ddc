// Owns the bench that the Vault promises are checked on: each list runs on the simulated Vault, which the
// simulation builds on, and on a real Vault with a real PostgreSQL. What differs there is a bug of the former.

import { afterAll, beforeAll, describe } from 'vitest';
import type { Ask } from '../../src/domain/ask.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { SessionToken, TaskToken, TokenRequest } from '../../src/ports/vault.ts';
import { realVault, simulatedVault, type VaultSubject } from './vault-subjects.ts';

export const DB: Ask = { secret: 'db', method: 'read', path: 'database/creds/report', files: [] };
export const CERT: Ask = {
  secret: 'tls',
  method: 'write',
  path: 'pki/issue/app',
  body: { common_name: 'a.app.internal', ttl: '10m' },
  files: [],
};
export const KV: Ask = { secret: 'app', method: 'read', path: 'secret/data/app/prod', files: [] };
export const customer = (name: string): Ask => ({ ...KV, path: `secret/data/customers/${name}` });
const ALL = ['tasklease-report-read', 'tasklease-deploy-cert', 'tasklease-app-config'];
export const request = (overrides: Partial<TokenRequest> = {}): TokenRequest => ({
  policies: ALL,
  ttlSeconds: 600,
  displayName: 'tasklease-report-read',
  meta: { task: 'build-81' },
  ...overrides,
});
export const nobody = () => new Secret(Buffer.from('hvs.nobody'));

export interface Bench {
  readonly subject: VaultSubject;
  /** A session that lives as long as the file's tests. */
  readonly session: SessionToken;
  /** A new task token under it. */
  task(overrides?: Partial<TokenRequest>): Promise<TaskToken>;
  /** The lease id of new database credentials. */
  leased(token?: TaskToken): Promise<string>;
  known(leaseId: string): Promise<boolean>;
  /** Waits for what Vault does in its own time. */
  eventually(what: string, probe: () => Promise<boolean>, withinMs?: number): Promise<void>;
}

/** The promises, on both. */
export function onVault(define: (bench: Bench) => void): void {
  describe.each([
    ['simulated', simulatedVault],
    ['real', realVault],
  ] as const)('Vault, %s', (_name, open) => {
    let subject: VaultSubject;
    let session: SessionToken;
    beforeAll(async () => {
      subject = await open();
      session = await subject.vault.openSession();
    });
    afterAll(async () => {
      await subject?.close();
    });

    const bench: Bench = {
      get subject() {
        return subject;
      },
      get session() {
        return session;
      },
      task: (overrides) => subject.vault.createToken(session.token, request(overrides)),
      async leased(token) {
        const { leaseId } = await subject.vault.readSecret((token ?? (await bench.task())).token, DB);
        return leaseId!;
      },
      known: (leaseId) => subject.vault.lookupLease(session.token, leaseId),
      async eventually(what, probe, withinMs = 20_000) {
        for (let waited = 0; waited <= withinMs; waited += 100) {
          if (await probe()) return;
          await subject.pass(100);
        }
        throw new Error(`not within ${withinMs} ms: ${what}`);
      },
    };
    define(bench);
  });
}
