// Owns the promise that each kind of difference between the ledger and Vault's audit log is named, and nothing else is.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Correlator } from '../../../src/audit/correlate.ts';
import { vaultAct } from '../../../src/audit/vault-log.ts';
import { command } from '../../../src/commands/audit.ts';
import type { Hmac, LedgerRecord } from '../../../src/domain/record.ts';
import { type LedgerWorld, ledgerWorld, life } from '../adapters/ledger/ledger-world.ts';

const time = (second: number): string => `2026-11-22T10:00:${String(second).padStart(2, '0')}.000Z`;
const hmac = (clear: string) => `hmac-sha256:${clear}` as Hmac;
const LEASE = 'database/creds/report/1';
const PATH = 'database/creds/report';
const EVENT = { type: 'pull_request', id: '7' };

type Said = Pick<LedgerRecord, 'type'> & {
  readonly fact: object;
  readonly at: number;
  readonly task?: string;
};
const record = ({ at, task = 'a', ...said }: Said): LedgerRecord =>
  ({ task, time: time(at), event: EVENT, ...said }) as unknown as LedgerRecord;
const metadata = (task: string, event = 'pull_request:7') => ({ task, profile: 'p', event });
const answer = (at: number, path: string, rest: object): string =>
  JSON.stringify({ type: 'response', time: time(at), request: { path }, ...rest });

const token = (at: number, task = 'a', event?: string): string =>
  answer(at, 'auth/token/create/tasklease', {
    response: { auth: { accessor: 'x', metadata: metadata(task, event) } },
  });
const issue = (at: number, lease = LEASE, task = 'a', event?: string): string =>
  answer(at, PATH, { auth: { metadata: metadata(task, event) }, response: { secret: { lease_id: lease } } });
const renewal = (at: number, lease = LEASE): string =>
  answer(at, 'sys/leases/renew', { response: { secret: { lease_id: lease } } });
const revocation = (at: number, lease = LEASE): string =>
  JSON.stringify({
    type: 'response',
    time: time(at),
    request: { path: 'sys/leases/revoke', data: { lease_id: lease } },
  });

/** One task: a token, a lease, a renewal, its end; and Vault's log goes on after it. */
const RECORDS = [
  record({ type: 'grant.accepted', at: 9, fact: { login: null } }),
  record({ type: 'token.opened', at: 11, fact: { n: 1 } }),
  record({ type: 'leases.issued', at: 13, fact: { leases: [{ lease: hmac(LEASE), path: PATH }], lost: [] } }),
  record({ type: 'leases.renewed', at: 15, fact: { leases: [{ lease: hmac(LEASE) }] } }),
  record({ type: 'generation.proved', at: 17, fact: { leases: [{ lease: hmac(LEASE), proof: 'revoked' }] } }),
];
const LINES = [
  token(10),
  issue(12),
  renewal(14),
  revocation(16),
  token(30, 'z'),
  token(31, 'z'),
  token(5, 'z'),
];
/** Of another task, so that the log lasts longer than what is compared. */
const OTHERS = [5, 30, 31].map((at) => record({ type: 'token.opened', at, task: 'z', fact: { n: 1 } }));

function correlate(records: readonly LedgerRecord[], lines: readonly string[]) {
  const correlator = new Correlator({ hmac, resolved: new Map() });
  for (const one of [...records, ...OTHERS]) correlator.record(one);
  const acts = lines.map((line) => vaultAct(line)!).sort((a, b) => (a.time < b.time ? -1 : 1));
  for (const act of acts) correlator.vault(act);
  const { differences, unheard, agree } = correlator.result();
  return { differences: differences.map(({ where, what }) => `${where}: ${what}`), unheard, agree };
}
const without = (index: number): string[] => LINES.filter((_line, i) => i !== index);
const unsaid = (type: string): LedgerRecord[] => RECORDS.filter((one) => one.type !== type);

describe('ledger and Vault’s log', () => {
  test('that tell the same agree', () => {
    expect(correlate(RECORDS, LINES)).toEqual({
      differences: [],
      unheard: [],
      agree: { tokens: 4, issued: 1, renewed: 1, revoked: 1 },
    });
  });

  const [, issued] = LINES;
  test.each<[string, readonly LedgerRecord[], readonly string[], string]>([
    [
      'a lease that is not on record',
      RECORDS,
      [...LINES, issue(13, 'database/creds/report/2')],
      'vault: issued a lease that is not on record',
    ],
    [
      'a lease that Vault does not have',
      RECORDS,
      LINES.filter((line) => !line.includes(LEASE)),
      'ledger: issued, and not in Vault’s log',
    ],
    [
      'a renewal that is not on record',
      RECORDS,
      [...LINES, renewal(15)],
      'vault: renewed it 2 times, on record 1',
    ],
    ['a renewal that Vault does not have', RECORDS, without(2), 'ledger: renewed 1 times, by Vault 0'],
    [
      'a revocation that is not proved on record',
      unsaid('generation.proved'),
      LINES,
      'vault: revoked it, and no proof is on record',
    ],
    ['a revocation that Vault does not have', RECORDS, without(3), 'ledger: revoked, and not by Vault’s log'],
    [
      'a token that is not on record',
      RECORDS,
      [...LINES, token(13)],
      'vault: made 2 tokens for it, on record 1',
    ],
    ['a token that Vault does not have', RECORDS, without(0), 'ledger: got 1 tokens, by Vault’s log 0'],
    [
      'another event on the token',
      RECORDS,
      [token(10, 'a', 'pull_request:8'), ...without(0)],
      'vault: made it a token under event pull_request:8',
    ],
    [
      'another event on the lease',
      RECORDS,
      [issue(12, LEASE, 'a', 'pull_request:8'), ...without(1)],
      'vault: has it under event pull_request:8',
    ],
    [
      'another task’s lease',
      RECORDS,
      [issued!.replace('"task":"a"', '"task":"b"'), ...without(1)],
      'vault: issued it to task b',
    ],
  ])('that differ in %s', (_what, records, lines, named) => {
    expect(correlate(records, lines).differences).toContain(named);
  });

  test('where a reply was lost agree on one lease, and not on a second', () => {
    const lost = [record({ type: 'leases.issued', at: 13, fact: { leases: [], lost: [{ path: PATH }] } })];
    const one = [issue(12, 'database/creds/report/2')];
    const two = [...one, issue(13, 'database/creds/report/3')];
    expect(correlate([...RECORDS, ...lost], [...LINES, ...one]).differences).toEqual([]);
    expect(correlate([...RECORDS, ...lost], [...LINES, ...two]).differences).toHaveLength(1);
  });

  test('agree on a task that logged in itself: Vault’s log does not say whose token that is', () => {
    const itself = [record({ type: 'grant.accepted', at: 9, fact: { login: { mount: 'jwt', role: 'r' } } })];
    expect(correlate([...itself, ...RECORDS.slice(1)], without(0)).differences).toEqual([]);
  });

  test('are compared only while Vault’s log lasts: a revocation after its end is no difference', () => {
    const late = record({
      type: 'generation.proved',
      at: 59,
      fact: { leases: [{ lease: hmac(LEASE), proof: 'revoked' }] },
    });
    expect(correlate([...RECORDS.slice(0, -1), late], without(3)).differences).toEqual([]);
  });
});

describe('`audit correlate`', () => {
  let world: LedgerWorld;
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tasklease-correlate-'));
    world = ledgerWorld();
    const journal = world.open();
    for (const step of life('a')) await journal.append(step);
    journal.end();
  });
  afterAll(() => {
    world.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  async function printed(...files: string[]) {
    const told: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => told.push(String(text)) > 0);
    try {
      const args = files.flatMap((file) => ['--vault-audit', join(dir, file)]);
      const code = await command.run(['correlate', '--ledger', world.ledgerDir, ...args]);
      return { code, text: told.join('') };
    } finally {
      write.mockRestore();
    }
  }

  test('reads rotated files together, packed ones too, and leaves out a last line that is still being written', async () => {
    writeFileSync(join(dir, 'audit.log.1.gz'), gzipSync(`${token(10, 'stranger')}\n`));
    writeFileSync(join(dir, 'audit.log'), `${token(11, 'stranger')}\n{"type":"respon`);
    const { code, text } = await printed('audit.log.1.gz', 'audit.log');
    expect(code).toBe(1);
    expect(text).toContain('made 2 tokens for it, on record 0');
    expect(text).toMatch(/the last line of \S*audit\.log is cut, and left out/);
  });

  test('says nothing of a file that is no audit log but where it stopped', async () => {
    writeFileSync(join(dir, 'other.log'), 'hello\nworld\n');
    const { code, text } = await printed('other.log');
    expect({ code, text }).toEqual({ code: 1, text: '' });
  });
});
