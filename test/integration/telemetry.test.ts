// What machines see of a real agent: a scrape against the README's table, the alerts and the dashboard; what a service
// manager hears; alive apart from ready.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRICS, type MetricRule } from '../../src/ports/metrics.ts';
import { ROOT } from '../architecture/sources.ts';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world?.close());

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const scrape = async (): Promise<string> => (await world.api('GET', '/v1/metrics')).text;
const value = (text: string, series: string): number =>
  Number(new RegExp(`^${series.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);

describe('a scrape after one task', () => {
  let text: string;
  beforeAll(async () => {
    await startTask(world, 'scraped', 'database', { event: { type: 'pull_request', id: 'acme/shop#412' } });
    await world.api('PUT', '/v1/tasks/scraped-2', { profile: 'no-such-profile' });
    expect(value(await scrape(), 'tasklease_leases')).toBe(1);
    await stopTask(world, 'scraped');
    text = await scrape();
  });

  test('has every metric of the README, with its help, and no other', () => {
    const scraped = new Map(
      [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name!, help!]),
    );
    const table = read('README.md').split('## Metrics')[1]!.split('\n## ')[0]!;
    const listed = [...table.matchAll(/^\| `(\w+)` \| ([^|]*) \| (.*) \|$/gm)];
    expect(new Map(listed.map(([, name, , help]) => [name!, help!]))).toEqual(scraped);
    for (const [, name, labels] of listed) {
      const rule: MetricRule = METRICS[name as keyof typeof METRICS];
      const named = [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!);
      expect(named, name).toEqual(Object.keys(rule.labels ?? {}));
    }
  });

  test('counts it once everywhere, and nothing is left', () => {
    expect(value(text, 'tasklease_starts_total')).toBe(1);
    expect(value(text, 'tasklease_stops_total{reason="completed"}')).toBe(1);
    expect(value(text, 'tasklease_tasks_closed_total{outcome="completed"}')).toBe(1);
    expect(value(text, 'tasklease_refusals_total{code="PROFILE_UNKNOWN"}')).toBe(1);
    for (const phase of ['token', 'read', 'publish', 'start', 'erase', 'proof', 'stop'])
      expect(value(text, `tasklease_phase_duration_seconds_count{phase="${phase}"}`), phase).toBe(1);
    for (const request of ['create_token', 'read_secret', 'revoke_lease', 'revoke_token'])
      expect(value(text, `tasklease_vault_request_duration_seconds_count{request="${request}"}`)).toBe(1);
    for (const gauge of [
      'tasklease_leases',
      'tasklease_leases_without_task',
      'tasklease_revocations_pending',
    ])
      expect(value(text, gauge), gauge).toBe(0);
    expect(value(text, 'tasklease_session_ttl_seconds')).toBeGreaterThan(200);
    expect(value(text, 'process_open_fds')).toBeGreaterThan(10);
    expect(value(text, 'process_resident_memory_bytes')).toBeGreaterThan(20e6);
  });

  /** Names of series in an expression: what is no label, no function and no keyword of PromQL. */
  const namesIn = (expression: string): string[] => [
    ...new Set(expression.match(/\b(?:tasklease|nodejs|process)_\w+/g) ?? []),
  ];
  const known = (): Set<string> => new Set(text.match(/^[a-z_]+/gm));

  test('has every metric that the alert rules speak of', () => {
    const { groups } = parse(read('deploy/prometheus/tasklease.rules.yml')) as {
      groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(10);
    for (const { alert, expr, annotations } of rules) {
      expect(annotations.summary && annotations.description, alert).toBeTruthy();
      if (alert !== 'TaskleaseDown') expect(namesIn(expr).length, alert).toBeGreaterThan(0);
      expect(
        namesIn(expr).filter((name) => !known().has(name)),
        alert,
      ).toEqual([]);
      for (const [, label, wanted] of expr.matchAll(/(\w+)!?="([^"]+)"/g))
        if (label !== 'job') expect(text, alert).toContain(`${label}="${wanted}"`);
    }
  });

  test('has every metric and label that the dashboard shows', () => {
    const { panels } = JSON.parse(read('deploy/grafana/tasklease.json')) as {
      panels: { title: string; description: string; targets: { expr: string; legendFormat: string }[] }[];
    };
    expect(panels.length).toBeGreaterThan(10);
    for (const { title, description, targets } of panels) {
      expect(description.length, title).toBeGreaterThan(10);
      for (const { expr, legendFormat } of targets) {
        expect(namesIn(expr).length, title).toBeGreaterThan(0);
        expect(
          namesIn(expr).filter((name) => !known().has(name)),
          title,
        ).toEqual([]);
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          if (label !== 'instance') expect(text, title).toMatch(new RegExp(`[{,]${label}="`));
      }
    }
  });
});

const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`;

test('a service manager hears that it is ready, alive, what it does, and that it stops', async () => {
  await world.agent.term();
  const address = join(world.paths.scratch, 'notify.sock');
  const manager: ChildProcess = spawn('python3', ['-c', RECEIVER, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const heard: string[] = [];
  createInterface({ input: manager.stdout! }).on('line', (line) =>
    heard.push(...JSON.parse(line).split('\n')),
  );
  try {
    await until('the manager listens', () => heard.includes('bound'));
    await world.vault.seal();
    await world.agent.launch({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '600000' });
    // Vault being away keeps nobody from calling, and the unit from being started.
    await until('it is ready for callers', () => heard.includes('READY=1'));
    await until('it says what it waits for', () =>
      heard.some((line) => /^STATUS=not ready \(VAULT_SEALED\)/.test(line)),
    );
    await world.vault.unseal();
    await until('it says that it is ready', () => heard.includes('STATUS=ready, 0 tasks'));
    await startTask(world, 'watched', 'database');
    await until('it counts tasks', () => heard.includes('STATUS=ready, 1 task'));
    const beats = heard.filter((line) => line === 'WATCHDOG=1').length;
    expect(beats).toBeGreaterThan(1);
    await until('it goes on living', () => heard.filter((line) => line === 'WATCHDOG=1').length > beats + 2);
    // A process that stands still gives no sign.
    process.kill(world.agent.pid, 'SIGSTOP');
    await until('all that it said has arrived', async () => {
      const before = heard.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return heard.length === before;
    });
    process.kill(world.agent.pid, 'SIGCONT');
    expect(await world.agent.term()).toMatchObject({ code: 0 });
    await until('it says that it stops', () => heard.includes('STOPPING=1'));
    expect(heard.indexOf('READY=1')).toBeLessThan(heard.indexOf('STOPPING=1'));
  } finally {
    manager.kill('SIGKILL');
    await world.agent.start();
  }
});

test('alive apart from ready: what no restart cures is a reason not to start tasks, and none to be restarted', async () => {
  const alive = await world.api('GET', '/v1/health');
  expect(alive).toMatchObject({ status: 200, body: { status: 'ok', live: true, ready: true, reasons: [] } });
  await world.vault.seal();
  try {
    const ready = await until('it is not ready', async () => {
      const reply = await world.api('GET', '/v1/health?ready');
      return reply.status === 503 && reply.body;
    });
    expect(ready).toMatchObject({ live: true, ready: false });
    expect(ready.reasons[0]).toMatchObject({ code: 'VAULT_SEALED' });
    expect(ready.reasons[0].hint).toBeTruthy();
    expect(await world.api('GET', '/v1/health')).toMatchObject({
      status: 200,
      body: { live: true, ready: false },
    });
    const text = await scrape();
    expect(value(text, 'tasklease_live')).toBe(1);
    expect(value(text, 'tasklease_ready')).toBe(0);
    expect(value(text, 'tasklease_vault_errors_total{kind="later",code="VAULT_SEALED"}')).toBeGreaterThan(0);
  } finally {
    await world.vault.unseal();
  }
});
