// Owns the patience of the AppRole login: what Vault refused is not asked again until a credential file
// changes or minutes have passed, because Vault locks a role after a few wrong logins (user lockout). What a
// login is worth at a real Vault is told in test/contract/vault-login.test.ts.

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { failedReply, failedRequest } from '../../../../src/adapters/vault/classify.ts';
import { loginWith } from '../../../../src/adapters/vault/login.ts';
import type { Requests } from '../../../../src/adapters/vault/requests.ts';

const LINE = { method: 'POST', path: 'auth/approle/login' };
const GRANTED = {
  auth: {
    client_token: 'hvs.login',
    accessor: 'acc',
    policies: ['tasklease-login'],
    lease_duration: 60,
    renewable: false,
    token_type: 'service',
  },
};
const refused = () =>
  failedReply(LINE, 400, Buffer.from('{"errors":["invalid role or secret ID"]}'), undefined);
const locked = () => failedReply(LINE, 403, Buffer.from('{"errors":["permission denied"]}'), undefined);
const sealed = () => failedReply(LINE, 503, Buffer.from('{"errors":["Vault is sealed"]}'), undefined);
const away = () =>
  failedRequest(LINE, 'http://vault', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }));

let dir = '';
let answer: () => unknown = () => GRANTED;
const asked: { path: string; body: Record<string, unknown> }[] = [];

const requests: Requests = {
  async call(_method, path, _token, _urgency, body) {
    asked.push({ path, body: body as Record<string, unknown> });
    const given = answer();
    if (given instanceof Error) throw given;
    return given;
  },
  async find() {
    throw new Error('a login asks for nothing that may be missing');
  },
  async look() {
    throw new Error('a login looks at nothing');
  },
  async issue() {
    throw new Error('a plain login unwraps nothing');
  },
};

const login = () =>
  loginWith(
    {
      method: 'approle',
      mount: 'approle',
      roleIdFile: join(dir, 'role-id'),
      secretIdFile: join(dir, 'secret-id'),
      secretIdWrapped: false,
    },
    requests,
  );

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tasklease-login-'));
  writeFileSync(join(dir, 'role-id'), 'role-4711\n');
  writeFileSync(join(dir, 'secret-id'), 'wrong-4711\n');
  asked.length = 0;
  answer = () => GRANTED;
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(dir, { recursive: true, force: true });
});

/** Tries `n` logins, one after the other; all of them must fail with `code`. */
const failTimes = async (attempt: ReturnType<typeof login>, n: number, code: string): Promise<void> => {
  for (let i = 0; i < n; i += 1) await expect(attempt()).rejects.toMatchObject({ problem: { code } });
};

test('a good login asks Vault with what the files hold, each time', async () => {
  const attempt = login();
  const { token, ours } = await attempt();
  expect(Buffer.from(token.reveal()).toString()).toBe('hvs.login');
  expect(ours).toBe(true);
  await attempt();
  expect(asked).toEqual(
    Array(2).fill({ path: 'auth/approle/login', body: { role_id: 'role-4711', secret_id: 'wrong-4711' } }),
  );
});

test.each([
  ['wrong (400)', refused],
  ['locked or forbidden (403)', locked],
])('%s: fifty attempts are one request, all with the same reason', async (_name, why) => {
  answer = why;
  await failTimes(login(), 50, 'VAULT_DENIED');
  expect(asked).toHaveLength(1);
});

test.each([
  ['sealed', sealed, 'VAULT_SEALED'],
  ['away', away, 'VAULT_UNREACHABLE'],
])('%s: Vault refused nothing, so each attempt asks', async (_name, why, code) => {
  answer = why;
  await failTimes(login(), 3, code);
  expect(asked).toHaveLength(3);
});

test.each(['role-id', 'secret-id'])('a replaced %s ends the pause at once', async (name) => {
  const attempt = login();
  answer = refused;
  await failTimes(attempt, 3, 'VAULT_DENIED');
  writeFileSync(join(dir, name), 'right-4711-and-longer');
  answer = () => GRANTED;
  await expect(attempt()).resolves.toMatchObject({ ours: true });
  expect(asked).toHaveLength(2);
  expect(Object.values(asked[1]!.body)).toContain('right-4711-and-longer');
});

test('a file of the same size ends it too: its time of change is another', async () => {
  const attempt = login();
  answer = refused;
  await failTimes(attempt, 2, 'VAULT_DENIED');
  writeFileSync(join(dir, 'secret-id'), 'right-4711\n');
  utimesSync(join(dir, 'secret-id'), new Date(), new Date(Date.now() + 1000));
  answer = () => GRANTED;
  await expect(attempt()).resolves.toMatchObject({ ours: true });
});

test('a file that is gone and comes back', async () => {
  const attempt = login();
  answer = refused;
  await failTimes(attempt, 1, 'VAULT_DENIED');
  rmSync(join(dir, 'secret-id'));
  await expect(attempt()).rejects.toThrow(
    /vault\.auth\.secret_id_file: .*secret-id cannot be read \(ENOENT\)/,
  );
  writeFileSync(join(dir, 'secret-id'), 'new-4711\n');
  answer = () => GRANTED;
  await expect(attempt()).resolves.toMatchObject({ ours: true });
  expect(asked).toHaveLength(2);
});

test('after some minutes, fewer than the lockout allows, it asks again by itself', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const attempt = login();
  answer = refused;
  for (let second = 0; second < 15 * 60; second += 1) {
    await expect(attempt()).rejects.toMatchObject({ kind: 'refused' });
    vi.advanceTimersByTime(1000);
  }
  // Vault locks at five wrong logins in 15 minutes.
  expect(asked.length).toBeGreaterThan(1);
  expect(asked.length).toBeLessThan(5);
  vi.advanceTimersByTime(15 * 60_000);
  answer = () => GRANTED;
  await expect(attempt()).resolves.toMatchObject({ ours: true });
});

test('a second wrong credential is again refused once', async () => {
  const attempt = login();
  answer = refused;
  await failTimes(attempt, 5, 'VAULT_DENIED');
  writeFileSync(join(dir, 'secret-id'), 'wrong-again-4711');
  await failTimes(attempt, 5, 'VAULT_DENIED');
  expect(asked).toHaveLength(2);
});

test('an empty file is named, and Vault is not asked', async () => {
  writeFileSync(join(dir, 'role-id'), ' \n');
  await expect(login()()).rejects.toThrow(/vault\.auth\.role_id_file: .*role-id is empty/);
  expect(asked).toEqual([]);
});

test('a reply without a token is refused, and not asked for again', async () => {
  const attempt = login();
  answer = () => ({ auth: null });
  await failTimes(attempt, 3, 'VAULT_CONTRACT');
  expect(asked).toHaveLength(1);
});

test('a token from a file is read anew each time, and is not ours to revoke', async () => {
  writeFileSync(join(dir, 'token'), 'hvs.one\n');
  const attempt = loginWith({ method: 'token_file', tokenFile: join(dir, 'token') }, requests);
  const first = await attempt();
  writeFileSync(join(dir, 'token'), '  hvs.two \n\n');
  const second = await attempt();
  expect([first, second].map(({ token }) => Buffer.from(token.reveal()).toString())).toEqual([
    'hvs.one',
    'hvs.two',
  ]);
  expect(first.ours).toBe(false);
  expect(asked).toEqual([]);
});
