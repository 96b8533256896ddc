// What the agent is configured with, changed while it runs: the log level, the rest of agent.yaml, the CA.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let ca = '';
beforeAll(async () => {
  world = await createWorld({ start: false });
  const { body } = await world.vault.request('GET', 'pki/cert/ca');
  ca = join(world.paths.scratch, 'ca.pem');
  await writeFile(ca, body.data!.certificate as string);
  await world.configure((config) => {
    config.vault.ca_file = ca;
  });
  await world.agent.start();
});
afterAll(() => world?.close());

const files = async () => (await world.admin('GET', '/v1/health?ready')).body.files;
const lines = (text: string): number => world.logs().split(text).length - 1;

test('log.level follows agent.yaml; another key is named once as waiting for a start, with its name and no value', async () => {
  await world.configure((config) => {
    config.log = { level: 'debug' };
  });
  await until('the level follows', () => world.logs().includes('log level follows agent.yaml'));
  await startTask(world, 'loud', 'database');
  await stopTask(world, 'loud');
  expect(world.logs()).toContain('"msg_id":"token.opened"');
  await world.configure((config) => {
    config.vault.address = 'https://elsewhere.internal:8200';
    config.log = { level: 'info' };
  });
  const waiting = 'changed: vault.address; takes effect at the next start';
  await until('the key is named', () => lines(waiting) === 1);
  await startTask(world, 'goes-on', 'database');
  await stopTask(world, 'goes-on');
  expect(lines(waiting)).toBe(1);
  expect(world.logs()).not.toContain('elsewhere');
  expect(await files()).toEqual({ faults: [], faulty: [] });
});

test('a bad agent.yaml and a CA that is cut off are told once, in log, metrics and health, and keep what runs', async () => {
  const good = await readFile(world.paths.config, 'utf8');
  const whole = await readFile(ca, 'utf8');
  await writeFile(world.paths.config, `${good}\nno_such_key: 1\n`);
  await writeFile(ca, whole.slice(0, whole.length / 2));
  await until('both are told', async () => (await files()).faulty.length === 2);
  expect((await world.api('GET', '/v1/health?ready')).body).toMatchObject({
    ready: true,
    files: { faulty: ['agent.yaml', 'vault.tls'] },
  });
  expect((await files()).faults.join('\n')).toMatch(/no_such_key[\s\S]*cut off/);
  const metrics = (await world.api('GET', '/v1/metrics')).text;
  expect(metrics).toContain('tasklease_file_faulty{file="agent.yaml"} 1');
  expect(metrics).toContain('tasklease_file_reload_failures_total 2');
  await startTask(world, 'goes-on-too', 'database');
  await stopTask(world, 'goes-on-too');
  expect(lines('file not taken; the last good version stays')).toBe(2);
  await writeFile(ca, whole);
  await writeFile(world.paths.config, good);
  await until('both are right', async () => (await files()).faulty.length === 0);
  expect(lines('"right again"')).toBe(2);
  await world.untilNothingLeft();
});
