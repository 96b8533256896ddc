// Owns the ledger as an auditor meets it, on a real Vault: every lease of every task, whatever went wrong, agrees with
// Vault's own audit device; receipts are signed; nothing secret is in it. TASKLEASE_LEDGER_TASKS=2000 makes it long.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pretty } from '../../src/adapters/telemetry/pretty.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import {
  type Fault,
  LOOKUP,
  READ,
  RENEW,
  REVOKE,
  SWALLOW,
  says,
  TOKEN,
  type Which,
} from '../harness/faults.ts';
import { createWorld, type World } from '../harness/world.ts';

const TASKS = Number(process.env.TASKLEASE_LEDGER_TASKS ?? 48);
/** So that every fault has its turn. */
const TOGETHER = Math.min(16, Math.max(4, Math.ceil(TASKS / 12)));
let world: World;
beforeAll(async () => {
  world = await createWorld({
    audit: true,
    config: { limits: { starts_per_minute: 100_000, tasks: 1000, tasks_per_uid: 1000 } },
  });
});
afterAll(() => world?.close());

const audit = (...args: string[]) => world.cli(['audit', ...args, '--config', world.paths.config]);
const ledgerText = () =>
  readdirSync(join(world.paths.state, 'ledger'))
    .filter((name) => name.startsWith('ledger-'))
    .map((name) => readFileSync(join(world.paths.state, 'ledger', name), 'utf8'))
    .join('');
const event = (i: number) => ({ type: 'pull_request', id: `acme/shop#${i}` });

test('one task: its receipt is signed, `audit show` tells all of it, and the ledger verifies', async () => {
  const started = await world.api('PUT', '/v1/tasks/first', {
    profile: 'database',
    event: event(1),
  });
  expect(started.status).toBe(201);
  const secret = await world.file('first', 'db.json');
  const { status, body } = await world.api('DELETE', '/v1/tasks/first?wait=30s');
  expect(status).toBe(200);
  const keys = JSON.parse((await audit('keys')).stdout).keys;
  const { payload } = await compactVerify(body.jws, await importJWK(keys[0]));
  const { jws: _jws, ...said } = body;
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual(said);
  expect(said).toMatchObject({
    task: 'first',
    event: event(1),
    profile_version: expect.stringMatching(/^sha256:/),
  });
  expect((await world.api('GET', '/v1/tasks/first/receipt')).body).toEqual(body);
  const shown = await audit('show', 'first');
  expect(shown.stdout).toContain('pull_request:acme/shop#1');
  expect(shown.stdout).toContain('revoked');
  const verified = await audit('verify');
  expect(verified.stdout).toContain('every record is as it was written');
  expect(verified.code).toBe(0);
  const { password } = JSON.parse(secret) as { password: string };
  expect(ledgerText()).not.toContain(password);
});

test('a start that is refused is on record', async () => {
  await world.api('PUT', '/v1/tasks/nobody', { profile: 'no-such-profile', event: event(2) });
  await expect
    .poll(async () => (await audit('list', '--outcome', 'refused')).stdout, {
      timeout: 30_000,
      interval: 500,
    })
    .toContain('PROFILE_UNKNOWN');
});

/** Counters by name and labels, of this agent alone: they begin anew with each. */
const metrics = async (): Promise<Map<string, number>> => {
  const { text } = await world.api('GET', '/v1/metrics');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
};

/** What the agent that runs has put on record itself, by type; what the one before left it has an older time. */
const ownRecords = (): Map<string, number> => {
  const lines = ledgerText().split('\n').slice(0, -1);
  const begin = lines.findLastIndex((line) => line.includes('"type":"agent.started"'));
  const since: string = JSON.parse(lines[begin]!).time;
  const counts = new Map<string, number>();
  for (const line of lines.slice(begin)) {
    const { grant, time, type } = JSON.parse(line);
    if (grant !== null && time >= since) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
};

/** While nothing is asked of the agent: what it has counted is what it has put on record. */
async function metricsAgree(): Promise<void> {
  await expect
    .poll(
      async () => {
        const counted = await metrics();
        const facts = [...counted].flatMap(([name, value]) => {
          const type = /^tasklease_facts_total\{type="(.+)"\}$/.exec(name)?.[1];
          return type === undefined || value === 0 ? [] : [[type, value] as const];
        });
        const own = ownRecords();
        const differ = facts.flatMap(([type, value]) =>
          own.get(type) === value ? [] : [{ type, value, own: own.get(type) }],
        );
        const uncounted = [...own.keys()].filter((type) => !facts.some(([name]) => name === type));
        return { differ, uncounted, starts: counted.get('tasklease_starts_total') ?? 0 };
      },
      { timeout: 60_000, interval: 250 },
    )
    .toEqual({ differ: [], uncounted: [], starts: (await metrics()).get('tasklease_starts_total') ?? 0 });
}

/** What goes wrong between the agent and Vault, one after the other; each is lifted when its wave is over. */
const FAULTS: readonly (readonly [string, Which, Fault])[] = [
  ['nothing', { path: 'nothing' }, says(500, '')],
  ['Vault is sealed when secrets are read', { ...READ, times: 2 }, says(503, 'Vault is sealed')],
  ['the reply to a token is lost', { ...TOKEN, times: 1 }, SWALLOW],
  ['the reply to a secret is lost', { ...READ, times: 1 }, SWALLOW],
  ['a start is refused', { ...READ, times: 1 }, says(403, 'permission denied')],
  ['the reply to a revocation is lost', { ...REVOKE, times: 2 }, SWALLOW],
  ['revocations fail', { ...REVOKE, times: 3 }, says(500, 'internal error')],
  ['lookups are cut', { ...LOOKUP, times: 2 }, { do: 'cut' }],
  ['the reply to a renewal is lost', { ...RENEW, times: 1 }, SWALLOW],
];

test('many tasks, with faults and the agent killed among them: ledger, Vault’s audit, report and metrics agree', async () => {
  const proxy = await faultProxy(Number(new URL(world.vault.address).port));
  try {
    await world.agent.term();
    await world.configure((config) => {
      config.vault.address = proxy.address;
    });
    await world.agent.start();
    let kills = 0;
    let made = 0;
    for (let wave = 0; made < TASKS; wave += 1) {
      const ids = Array.from({ length: Math.min(TOGETHER, TASKS - made) }, (_, k) => made + k);
      made += ids.length;
      const [, which, fault] = FAULTS[wave % FAULTS.length]!;
      const plan = proxy.on(which, fault);
      const asked = ids.map((i) =>
        world
          // None ends by itself, however long this takes.
          .api('PUT', `/v1/tasks/t-${i}`, { profile: 'database', event: event(i), duration: '1h' })
          .catch(() => null),
      );
      // In the middle of it, and when nothing happens: every third wave, in turns.
      if (wave % 6 === 2) {
        await asked[0];
        await world.agent.kill9();
        kills += 1;
        await Promise.all(asked);
        await world.agent.start();
      }
      await Promise.all(asked);
      if (wave % 6 === 5) {
        await metricsAgree();
        await world.agent.kill9();
        kills += 1;
        await world.agent.start();
      }
      // A few live on, into the next waves and agents.
      const ended = ids.filter((i) => i % 5 !== 0);
      await Promise.all(ended.map((i) => world.api('DELETE', `/v1/tasks/t-${i}?wait=60s`)));
      plan.lift();
    }
    proxy.heal();
    await world.admin('POST', '/v1/revoke-all?wait=60s');
    await world.untilNothingLeft(120_000);
    expect(kills).toBeGreaterThan(0);
    await metricsAgree();
    await expect
      .poll(async () => (await correlated()).differences, { timeout: 120_000, interval: 2000 })
      .toEqual([]);
    const said = await correlated();
    const issued = issuedByVault();
    expect(said.unresolved).toBe(0);
    expect(said.agree.issued).toBeGreaterThanOrEqual(TASKS / 2);
    expect(said.agree.revoked).toBe(said.agree.issued);
    await reportAgrees(said);
    expect(issued).toBeGreaterThanOrEqual(said.agree.issued);
    expect((await audit('verify')).code).toBe(0);
  } finally {
    await world.agent.term();
    await world.configure((config) => {
      config.vault.address = world.vault.address;
    });
    await world.agent.start();
    await proxy.close();
  }
}, 3_600_000);

interface Said {
  readonly differences: readonly unknown[];
  readonly unresolved: number;
  readonly agree: { readonly issued: number; readonly revoked: number; readonly renewed: number };
}
const correlated = async (): Promise<Said> =>
  JSON.parse((await audit('correlate', '--vault-audit', world.paths.audit, '--output', 'json')).stdout);

/** Leases of database logins that Vault answered to a task's token. */
const issuedByVault = (): number =>
  readFileSync(world.paths.audit, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => {
      const { type, request, response } = JSON.parse(line);
      return type === 'response' && request.path.startsWith('database/creds/') && response?.secret?.lease_id;
    }).length;

/** The page has the leases that Vault issued, each with its end, and every task of the ledger. */
async function reportAgrees({ agree }: Said): Promise<void> {
  const file = join(world.paths.scratch, 'report.html');
  expect((await audit('report', '--since', '1d', '-o', file)).code).toBe(0);
  const records = ledgerText()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  const leases = records.flatMap(({ type, fact }) => (type === 'leases.issued' ? fact.leases : []));
  const lost = records.flatMap(({ type, fact }) => (type === 'leases.issued' ? fact.lost : []));
  const closed = records.filter(({ type }) => type === 'grant.closed');
  const proofs = closed.flatMap(({ fact }) =>
    fact.receipt.leases.map(({ proof }: { proof: string }) => proof),
  );
  const many = (proof: string) => proofs.filter((each) => each === proof).length;
  expect(leases).toHaveLength(agree.issued);
  expect(many('revoked')).toBe(agree.revoked);
  expect(many('unproved')).toBe(lost.length);
  const page = readFileSync(file, 'utf8');
  const card = (name: string) =>
    Number(new RegExp(`<b>([^<]*)</b>${name}</li>`).exec(page)![1]!.replaceAll(/\D/g, ''));
  expect(page).toContain('<p class="chain verified">');
  expect({
    grants: card('grants'),
    issued: card('leases issued'),
    revoked: card('proved revoked'),
    unproved: card('unproved'),
    pending: card('still pending'),
  }).toEqual({
    grants: records.filter(({ type }) => type === 'grant.accepted').length,
    issued: leases.length + lost.length,
    revoked: many('revoked'),
    unproved: many('unproved'),
    pending: 0,
  });
}

/** What is signed (JWS) is base64url, where a search would find nothing. */
const inClear = (text: string): string =>
  [...text.matchAll(/eyJ[\w-]+\.([\w-]+)\.[\w-]+/g)]
    .map(([, payload]) => Buffer.from(payload!, 'base64url').toString())
    .join('\n');

test('no accessor, lease id or secret of Vault is in anything that people or programs are shown', async () => {
  await world.api('PUT', '/v1/tasks/shown', { profile: 'database' });
  const clear = new Set<string>();
  for (const line of readFileSync(world.paths.audit, 'utf8').trimEnd().split('\n')) {
    const { request, response } = JSON.parse(line);
    if (response?.auth?.metadata?.task !== undefined)
      clear.add(response.auth.accessor).add(response.auth.client_token);
    if (response?.secret?.lease_id) clear.add(response.secret.lease_id);
    if (request?.path?.startsWith('database/creds/') && response?.data?.password)
      clear.add(response.data.password);
  }
  expect(clear.size).toBeGreaterThan(TASKS);
  // All of them, or in a long run some of all of it: thousands of words in megabytes take minutes.
  const every = Math.ceil(clear.size / 1000);
  const sought = [...clear].filter((_word, i) => i % every === 0);
  const page = join(world.paths.scratch, 'report.html');
  await audit('report', '-o', page);
  const output = async (...args: string[]) => (await world.cli(args)).stdout;
  const receipts = join(world.paths.scratch, 'shown-receipts');
  expect((await audit('export', '--receipts', receipts)).code).toBe(0);
  const exported = readdirSync(receipts).map((name) => readFileSync(join(receipts, name), 'utf8'));
  const shown = {
    'exported receipts': [...exported, ...exported.map(inClear)].join('\n'),
    'pretty log': world.logs().trimEnd().split('\n').map(pretty).join('\n'),
    'heads and receipts in the ledger': inClear(ledgerText()),
    ledger: ledgerText(),
    'API and receipts': world.transcript.join('\n'),
    log: world.logs(),
    metrics: (await world.api('GET', '/v1/metrics')).text,
    jsonl: (await audit('export', '--format', 'jsonl')).stdout,
    csv: (await audit('export', '--format', 'csv')).stdout,
    list: (await audit('list', '--output', 'json')).stdout,
    report: readFileSync(page, 'utf8'),
    top: await output('top', '--once', '--socket', world.paths.admin),
    status: await output('status', 'shown', '--output', 'json'),
  };
  for (const [where, text] of Object.entries(shown)) {
    // What was looked into has something in it; the id of a lease is one without its path too.
    expect(text.length, where).toBeGreaterThan(100);
    const found = sought.filter((word) => text.includes(word) || text.includes(word.split('/').at(-1)!));
    expect(found, where).toEqual([]);
  }
  const file = await world.file('shown', 'db.json');
  expect([...clear].some((word) => file.includes(word))).toBe(true);
  await world.api('DELETE', '/v1/tasks/shown?wait=60s');
});

test('an export verifies elsewhere, with the receipts beside it', async () => {
  const file = join(world.paths.scratch, 'export.jsonl');
  const receipts = join(world.paths.scratch, 'receipts');
  expect((await audit('export', '-o', file)).code).toBe(0);
  expect((await audit('export', '--receipts', receipts)).code).toBe(0);
  const verified = await world.cli([
    'audit',
    'verify',
    file,
    '--keys',
    join(receipts, 'keys.json'),
    '--output',
    'json',
  ]);
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, keys_trusted: true });
  const closed = ledgerText().match(/"type":"grant.closed"/g)!.length;
  expect(readdirSync(receipts)).toHaveLength(closed + 1);
});
