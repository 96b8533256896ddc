// Owns a journal with its ledger in a directory of its own, and lives of tasks to be put on record.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../../../src/adapters/journal/sqlite-journal.ts';
import { type LedgerOptions, openLedger } from '../../../../src/adapters/ledger/file-ledger.ts';
import type { Entry, Fact } from '../../../../src/domain/fact.ts';
import { type GrantId, grantId, type TaskId } from '../../../../src/domain/ids.ts';
import type { LedgerRecord } from '../../../../src/domain/record.ts';
import { parseRecord } from '../../../../src/schema/ledger-record.ts';
import { ACCEPTED, at, leaseIssued, PROFILE, time } from '../../domain/samples.ts';

export const CLEAR = ['acc-clear-1', 'ses-clear-1', 'database/creds/report/clear-1'] as const;

export interface LedgerWorld {
  readonly dir: string;
  readonly ledgerDir: string;
  readonly logs: { level: string; message: string }[];
  open(options?: Partial<LedgerOptions>): ReturnType<typeof openJournal> & { end(): void };
  /** The texts of the files, oldest first. */
  texts(): string[];
  records(): LedgerRecord[];
  /** The directory as a killed agent would leave it now; of another one's journal with this one's files. */
  killed(journalOf?: LedgerWorld): LedgerWorld;
  remove(): void;
}

export function ledgerWorld(): LedgerWorld {
  const dir = mkdtempSync(join(tmpdir(), 'tasklease-ledger-'));
  const ledgerDir = join(dir, 'ledger');
  const logs: { level: string; message: string }[] = [];
  let wallMs = at(0).wallMs;
  const world: LedgerWorld = {
    dir,
    ledgerDir,
    logs,
    open(options = {}) {
      // As compose makes it.
      mkdirSync(ledgerDir, { recursive: true, mode: 0o700 });
      const ledger = openLedger({
        dir: ledgerDir,
        bootId: 'boot-1',
        version: '0.0.0',
        now: () => {
          wallMs += 1;
          return { at: 5_000_000, wallMs };
        },
        log: (level, message) => logs.push({ level, message }),
        headEvery: 16,
        headAfterMs: 60_000,
        keyAgeMs: 1e12,
        retention: { segmentBytes: 1e9, segmentMs: 1e12, bytes: 1e12, ms: 1e12 },
        copies: { headsStdout: false },
        ...options,
      });
      const journal = openJournal(join(dir, 'journal.db'), 'boot-1', { ledger });
      return Object.assign(journal, {
        end() {
          journal.close();
          ledger.close();
        },
      });
    },
    texts: () =>
      readdirSync(ledgerDir)
        .filter((name) => name.startsWith('ledger-'))
        .sort()
        .map((name) => readFileSync(join(ledgerDir, name), 'utf8')),
    records: () =>
      world
        .texts()
        .flatMap((text) => text.split('\n').filter((line) => line !== ''))
        .map((line) => parseRecord(JSON.parse(line))),
    killed(journalOf = world) {
      const copy = ledgerWorld();
      cpSync(ledgerDir, copy.ledgerDir, { recursive: true });
      for (const end of ['', '-wal', '-shm']) {
        const name = `journal.db${end}`;
        cpSync(join(journalOf.dir, name), join(copy.dir, name));
      }
      return copy;
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  return world;
}

export const entry = (grant: GrantId, fact: Fact, ms = 0): Entry => ({ grant, ...at(ms), fact });

/** A whole life, step by step as it is journaled. */
export function life(name: string, n = 1): Entry[][] {
  const task = name as TaskId;
  const grant = grantId(task, n);
  const [accessor, session, id] = CLEAR;
  const of = (fact: Fact, ms: number) => entry(grant, fact, ms);
  const lease = leaseIssued({ id: `${id}-${name}-${n}` });
  const receipt = {
    task,
    profile: PROFILE,
    state: 'closed',
    outcome: 'completed',
    event: ACCEPTED.event,
    started_at: time(0),
    closed_at: time(900),
    exposure_seconds: 0.8,
    leases: [
      {
        secret: 'db',
        path: 'database/creds/report',
        issued_at: time(20),
        ended_at: time(800),
        proof: 'revoked',
        ends_at: time(120_020),
      },
    ],
  } as const;
  const problem = {
    type: 'urn:tasklease:problem:VAULT_UNREACHABLE',
    title: '',
    status: 503,
    code: 'VAULT_UNREACHABLE',
    detail: `${accessor}-${name} has ${lease.id}, which cannot be revoked`,
    retryable: true,
  } as const;
  const token = { accessor: `${accessor}-${name}`, session, ends_at: time(1000) };
  return [
    [
      of({ ...ACCEPTED, task, profile_version: `sha256:${'b'.repeat(64)}` }, 0),
      of({ type: 'generation.opened', n: 1, why: null, plan: null }, 0),
    ],
    [of({ type: 'token.opened', n: 1, ...token }, 10)],
    [of({ type: 'leases.issued', n: 1, leases: [lease], lost: [] }, 20)],
    [of({ type: 'delivery.published', n: 1, files: ['db.json'] }, 30)],
    [of({ type: 'grant.stopping', reason: 'completed', detail: null }, 700)],
    [of({ type: 'files.erased', erased_at: time(701) }, 701)],
    [of({ type: 'leases.known', n: 1, known: [lease.id!], gone: [] }, 710)],
    [of({ type: 'revocation.failed', n: 1, problem }, 720)],
    [
      of({ type: 'generation.proved', n: 1, leases: [{ id: lease.id!, proof: 'revoked' }] }, 800),
      of({ type: 'grant.closed', outcome: 'completed', receipt }, 900),
    ],
  ];
}
