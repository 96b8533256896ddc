// A refused secret: the hint names the missing line only where Vault has said that it is missing.

import { describe, expect, test } from 'vitest';
import type { Ask } from '../../../src/domain/ask.ts';
import { Problem } from '../../../src/domain/problem.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { type Denied, explainDenial } from '../../../src/engine/denial.ts';
import { VaultFailure } from '../../../src/ports/vault.ts';

const LINE = 'path "database/creds/report-prod" { capabilities = ["read"] }';
const read: Ask = { secret: 'db', method: 'read', path: 'database/creds/report-prod', files: [] };
const issue: Ask = { secret: 'tls', method: 'write', path: 'pki/issue/app', files: [] };
const session = async () => new Secret(Buffer.from('session'));

const hint = async (
  rights: readonly string[] | null | Error,
  ask = read,
  plan: Denied['plan'] = { policies: ['tasklease-report-read'] },
) => {
  const problem = new Problem('VAULT_DENIED', 'GET x was answered 403');
  const rightsOf = async () => {
    if (rights instanceof Error) throw rights;
    return rights;
  };
  const told = await explainDenial({ ask, plan, accessor: 'a', problem }, { rightsOf }, session);
  expect(told).toMatchObject({ code: 'VAULT_DENIED', message: problem.message });
  return told.hint!;
};

describe('the hint', () => {
  test('names policy, path and capability where no policy permits it', async () => {
    expect(await hint(['deny'])).toBe(`add to policy tasklease-report-read: ${LINE}`);
    expect(await hint(['list'])).toBe(`add to policy tasklease-report-read: ${LINE}`);
    expect(await hint(['read'], issue)).toContain('path "pki/issue/app" { capabilities = ["update"] }');
  });

  test('names both ways of a write that may make a new entry', async () => {
    const write: Ask = { ...issue, path: 'secret/data/app', body: { data: {} } };
    const line = 'path "secret/data/app" { capabilities = ["create", "update"] }';
    expect(await hint(['update'], write)).toContain(line);
    expect(await hint(['create', 'update'], write)).toContain('no line is missing');
  });

  test('of several policies it does not choose one', async () => {
    expect(await hint(['deny'], read, { policies: ['a', 'b'] })).toBe(
      `add to one of the policies a, b: ${LINE}`,
    );
    const login = { mount: 'jwt', role: 'report' };
    expect(await hint(['deny'], read, { policies: [], login })).toContain('role report of auth/jwt');
  });

  test('says that no line is missing where the policy permits it', async () => {
    expect(await hint(['read'])).toMatch(/no line is missing.*token_bound_cidrs/);
    expect(await hint(['read'])).not.toContain('parameters');
    for (const right of ['update', 'root']) {
      expect(await hint([right], issue)).toMatch(/no line is missing.*parameters/);
    }
  });

  test('says that the token is gone where Vault does not know it', async () => {
    const gone = new VaultFailure('refused', new Problem('VAULT_DENIED', 'gone'), true);
    expect(await hint(gone)).toMatch(/token was revoked .* no policy is missing/);
  });

  test('says that it does not know where nobody could be asked', async () => {
    const away = new VaultFailure('unknown', new Problem('VAULT_UNREACHABLE', 'away'));
    for (const rights of [null, away, new Error('odd')]) {
      expect(await hint(rights)).toMatch(/^if policy tasklease-report-read lacks it, add: .* is not known/);
      expect(await hint(rights)).toContain(LINE);
    }
  });
});
