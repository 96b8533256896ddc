// Owns the promises of the Vault port about what hangs under no lease: certificates by their serial, and passwords that
// Vault rotates by itself.

import { describe, expect, test } from 'vitest';
import type { TimedAsk } from '../../src/domain/ask.ts';
import { certificateOf } from '../../src/domain/certificate.ts';
import { CERT, onVault } from './vault-bench.ts';
import { ROTATION_MS } from './vault-subjects.ts';

const BARE: TimedAsk = { ...CERT, path: 'pki/issue/bare', revoke: 'serial' };
const SERVICE: TimedAsk = { secret: 'db', method: 'read', path: 'database/static-creds/service', files: [] };
const policies = ['tasklease-engines'];

onVault((bench) => {
  const certificate = async () => {
    const { vault } = bench.subject;
    const { leaseId } = await vault.readSecret((await bench.task({ policies })).token, BARE);
    return certificateOf(leaseId!)!;
  };

  describe('a certificate without a lease', () => {
    test('is known by its mount and serial where its ask wants that, and by nothing elsewhere', async () => {
      const { vault } = bench.subject;
      const { token } = await bench.task({ policies });
      const issued = await vault.readSecret(token, BARE);
      expect(issued.leaseId).toMatch(/^pki#[0-9a-f:]+$/);
      expect(issued.renewable).toBe(false);
      expect(issued.ttlMs).toBeGreaterThan(500_000);
      const { revoke: _, ...plain } = BARE;
      expect(await vault.readSecret(token, plain)).toMatchObject({ leaseId: null, renewable: false });
    });

    test('has no serial to go by where its role does not store it', async () => {
      const ask = { ...BARE, path: 'pki/issue/not-stored' };
      const issued = await bench.subject.vault.readSecret((await bench.task({ policies })).token, ask);
      expect(issued.leaseId).toBeNull();
    });

    test('is valid, then revoked: once or twice is the same', async () => {
      const { vault } = bench.subject;
      const issued = await certificate();
      expect(await vault.lookupCertificate(issued)).toBe('valid');
      await vault.revokeCertificate(bench.session.token, issued);
      expect(await vault.lookupCertificate(issued)).toBe('ended');
      await vault.revokeCertificate(bench.session.token, issued);
      expect(await vault.lookupCertificate(issued)).toBe('ended');
    });

    test('does not end with its token', async () => {
      const { vault } = bench.subject;
      const task = await bench.task({ policies });
      const { leaseId } = await vault.readSecret(task.token, BARE);
      await vault.revokeToken(bench.session.token, task.accessor);
      expect(await vault.lookupCertificate(certificateOf(leaseId!)!)).toBe('valid');
    });

    test('that never was is unknown, and cannot be revoked', async () => {
      const { vault } = bench.subject;
      const none = { mount: 'pki', serial: '0f:0f' };
      expect(await vault.lookupCertificate(none)).toBe('unknown');
      await expect(vault.revokeCertificate(bench.session.token, none)).rejects.toMatchObject({
        kind: 'refused',
      });
    });

    test('is revoked by the session alone', async () => {
      const { vault } = bench.subject;
      const issued = await certificate();
      const { token } = await bench.task({ policies });
      await expect(vault.revokeCertificate(token, issued)).rejects.toMatchObject({ forbidden: true });
      expect(await vault.lookupCertificate(issued)).toBe('valid');
    });

    test('where the session may revoke is known before anything is issued', async () => {
      const { vault } = bench.subject;
      expect(await vault.mayRevokeCertificates(bench.session.token, 'pki')).toBe(true);
      expect(await vault.mayRevokeCertificates(bench.session.token, 'other-pki')).toBe(false);
    });
  });

  describe('a password that Vault rotates', () => {
    const read = async (fresh = false) =>
      bench.subject.vault.readSecret((await bench.task({ policies })).token, { ...SERVICE, fresh });

    test('has no lease, and the time until its rotation', async () => {
      const issued = await read();
      expect(issued).toMatchObject({ leaseId: null, renewable: false, follows: true });
      expect(issued.ttlMs).toBeLessThanOrEqual(ROTATION_MS);
    });

    test('is another one after that time, and asked for anew only then', async () => {
      const before = await read();
      await bench.subject.pass(before.ttlMs! + 1000);
      const after = await read(true);
      expect(after.data.password).not.toBe(before.data.password);
      expect(after.ttlMs).toBeGreaterThan(0);
    });
  });
});
