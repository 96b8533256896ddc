// Owns what the ledger's files hold: every fact once, in order, chained and signed, whatever happens to the agent.
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { compactVerify, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TaskId } from '../../../../src/domain/ids.ts';
import { CLEAR, type LedgerWorld, ledgerWorld, life } from './ledger-world.ts';

let world: LedgerWorld;
beforeEach(() => {
  world = ledgerWorld();
});
afterEach(() => world.remove());

type Opened = ReturnType<LedgerWorld['open']>;
async function run(journal: Opened, ...names: string[]): Promise<void> {
  for (const name of names) for (const step of life(name)) await journal.append(step);
}
const types = () => world.records().map(({ type }) => type);
const file = () =>
  join(world.ledgerDir, readdirSync(world.ledgerDir).find((name) => name.startsWith('ledger-'))!);

test('each line is hashed up to its hash, and holds the hash of the one before', async () => {
  const journal = world.open();
  await run(journal, 'a', 'b');
  journal.end();
  let prev = '0'.repeat(64);
  let seq = 0;
  for (const line of world.texts().join('').trimEnd().split('\n')) {
    const at = line.lastIndexOf(',"hash":"');
    const digest = createHash('sha256').update(line.slice(0, at)).digest('hex');
    expect(line.slice(at)).toBe(`,"hash":"${digest}"}`);
    expect(JSON.parse(line)).toMatchObject({ seq: seq + 1, prev });
    seq += 1;
    prev = digest;
  }
  expect(seq).toBe(world.records().length);
});

test('the first record opens the ledger, the last one signs it', async () => {
  const journal = world.open();
  await run(journal, 'a');
  journal.end();
  expect(types()[0]).toBe('ledger.opened');
  expect(types().at(-1)).toBe('head');
  expect(types().filter((type) => type === 'grant.closed')).toHaveLength(1);
});

test('accessors and lease ids are there as HMACs alone, also inside a sentence of Vault', async () => {
  const journal = world.open();
  await run(journal, 'a');
  journal.end();
  const text = world.texts().join('');
  for (const clear of CLEAR) expect(text).not.toContain(clear);
  const failed = world.records().find(({ type }) => type === 'revocation.failed')!;
  expect(failed.type === 'revocation.failed' && failed.fact.problem.detail).toMatch(
    /^hmac-sha256:[0-9a-f]{64} has hmac-sha256:[0-9a-f]{64}, which cannot be revoked$/,
  );
});

test('a receipt is signed when its task is closed, and the journal answers it so', async () => {
  const journal = world.open();
  await run(journal, 'a');
  const { receipt } = journal.tombstone('a' as TaskId)!;
  journal.end();
  const opened = world.records()[0]!;
  const key = opened.type === 'ledger.opened' ? opened.fact.key : null;
  const { payload, protectedHeader } = await compactVerify(
    receipt.jws!,
    await importJWK({ ...key!, alg: 'EdDSA' }),
  );
  expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'tasklease-receipt', kid: key!.kid });
  const { jws: _jws, ...said } = receipt;
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual(said);
  const closed = world.records().find(({ type }) => type === 'grant.closed')!;
  expect(said).toMatchObject({
    grant: 'a#1',
    profile_version: `sha256:${'b'.repeat(64)}`,
    caller: { uid: 1000 },
    files: { written: ['db.json'] },
    ledger: { seq: closed.seq, prev: closed.prev },
    leases: [{ engine: 'database', proof: 'revoked', lease: expect.stringMatching(/^hmac-sha256:/) }],
  });
});

test('the ledger is private', async () => {
  const journal = world.open();
  await run(journal, 'a');
  journal.end();
  for (const name of ['hmac.key', 'signing-key.pem']) {
    expect(statSync(join(world.ledgerDir, name)).mode & 0o777, name).toBe(0o600);
  }
  expect(statSync(file()).mode & 0o777).toBe(0o600);
});

test('an append that failed leaves no record, and the chain goes on as if it had not been tried', async () => {
  const journal = world.open();
  await run(journal, 'a');
  const [begin] = life('b');
  await expect(journal.append([...begin!, ...begin!])).rejects.toMatchObject({ code: 'JOURNAL_UNWRITABLE' });
  await run(journal, 'b');
  journal.end();
  const starts = world.records().filter(({ type }) => type === 'grant.accepted');
  expect(starts.map(({ task }) => task)).toEqual(['a', 'b']);
  expect(world.records().map(({ seq }) => seq)).toEqual(world.records().map((_, i) => i + 1));
});

describe('after a crash', () => {
  test('what did not reach the files is written from the journal', async () => {
    const journal = world.open();
    await run(journal, 'a');
    journal.end();
    const whole = world.texts().join('');
    for (const cut of [0, 1, 400, 2000]) {
      truncateSync(file(), whole.length - cut);
      const next = world.open();
      next.end();
      expect(world.texts().join('').startsWith(whole), `${cut} bytes`).toBe(true);
      expect(types()).not.toContain('ledger.mismatch');
    }
  });

  test('the next agent goes on with the tasks it finds', async () => {
    const [first, ...rest] = life('a');
    const journal = world.open();
    await journal.append(first!);
    await journal.append(rest[0]!);
    journal.end();
    const next = world.open();
    for (const step of rest.slice(1)) await next.append(step);
    next.end();
    const closed = world.records().find(({ type }) => type === 'grant.closed')!;
    expect(closed).toMatchObject({
      task: 'a',
      event: { type: 'pull_request' },
      fact: { receipt: { files: { written: ['db.json'] } } },
    });
    for (const clear of CLEAR) expect(world.texts().join('')).not.toContain(clear);
  });
});

describe('what somebody else did to the files is on record', () => {
  test.each([
    ['the newest file is gone', () => rmSync(file())],
    [
      'the end was changed',
      () =>
        writeFileSync(
          file(),
          readFileSync(file(), 'utf8').replace(
            /"hash":"(....)[^"]*"\}\n$/,
            `"hash":"$1${'0'.repeat(60)}"}\n`,
          ),
        ),
    ],
    ['a line was put behind it', () => appendFileSync(file(), '{"v":1}\n')],
  ])('%s', async (_what, tamper) => {
    const journal = world.open();
    await run(journal, 'a', 'b', 'c');
    // Once the files are synced, the journal keeps the newest records alone.
    await setTimeout(1500);
    await run(journal, 'x');
    journal.end();
    const again = world.open();
    await run(again, 'd');
    again.end();
    tamper();
    const next = world.open();
    await run(next, 'e');
    next.end();
    expect(world.logs.map(({ message }) => message)).toContain('the ledger is not as it was written');
    expect(world.texts().join('')).toContain('"type":"ledger.mismatch"');
  });
});
