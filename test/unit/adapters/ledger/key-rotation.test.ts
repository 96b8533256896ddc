// Owns the promise that an old signing key gives way to a new one, while the agent runs and over a restart, without a break
// in the chain: what the old one signed stays good.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, importJWK } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readKeyFile } from '../../../../src/adapters/ledger/keys.ts';
import { command } from '../../../../src/commands/audit.ts';
import { type LedgerWorld, ledgerWorld, life } from './ledger-world.ts';

let world: LedgerWorld;
beforeEach(() => {
  world = ledgerWorld();
});
afterEach(() => world.remove());

/** Files that are full after a few records, whose end is when an old key gives way. */
const small = { segmentBytes: 2048, segmentMs: 1e12, bytes: 1e12, ms: 1e12 };

async function run(keyAgeMs: number, names: readonly string[]): Promise<void> {
  const journal = world.open({ keyAgeMs, retention: small, headEvery: 4 });
  for (const name of names) {
    for (const step of life(name)) await journal.append(step);
    // The files follow the journal.
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  journal.end();
}

const keys = () => readKeyFile(world.ledgerDir)!.keys;
function verify(...more: string[]): Promise<number> {
  writeFileSync(join(world.dir, 'agent.yaml'), `state_dir: ${world.dir}\n`);
  return command.run(['verify', '--config', join(world.dir, 'agent.yaml'), ...more]);
}
const receipts = () =>
  world.records().flatMap((record) => (record.type === 'grant.closed' ? [record.fact.jws as string] : []));
const kidOf = (jws: string) =>
  JSON.parse(Buffer.from(jws.split('.')[0]!, 'base64url').toString()).kid as string;

async function expectGood(): Promise<void> {
  expect(await verify()).toBe(0);
  for (const jws of receipts()) {
    const key = keys().find(({ kid }) => kid === kidOf(jws))!;
    await expect(compactVerify(jws, await importJWK({ ...key }, 'EdDSA'))).resolves.toBeTruthy();
  }
}

test('a restart after its time: the new key is on record, and receipts of before verify', async () => {
  await run(1e12, ['a']);
  expect(keys()).toHaveLength(1);
  await run(1, ['b']);
  expect(keys().length).toBeGreaterThan(1);
  const [before, after] = [receipts()[0]!, receipts().at(-1)!];
  expect(kidOf(after)).not.toBe(kidOf(before));
  await expectGood();
});

test('a running agent changes its key by itself', async () => {
  await run(5, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']);
  expect(keys().length).toBeGreaterThan(1);
  expect(world.records().filter(({ type }) => type === 'key.rotated').length).toBe(keys().length - 1);
  expect(new Set(receipts().map(kidOf)).size).toBeGreaterThan(1);
  await expectGood();
});

test('a key that was put in its place by somebody else is not one that the old key vouches for', async () => {
  await run(1e12, ['a']);
  const trusted = join(world.dir, 'keys.json');
  writeFileSync(trusted, readFileSync(join(world.ledgerDir, 'keys.json')));
  const other = ledgerWorld();
  try {
    other.open().end();
    writeFileSync(
      join(world.ledgerDir, 'signing-key.pem'),
      readFileSync(join(other.ledgerDir, 'signing-key.pem')),
    );
    await run(1e12, ['b']);
    expect(await verify('--keys', trusted)).toBe(1);
  } finally {
    other.remove();
  }
});
