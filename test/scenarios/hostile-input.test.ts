// Bar 7: hostile ids, parameters, bodies, calls, configurations and profiles are refused with a sentence
// that names the culprit; nothing is leased; nothing of them reaches Vault; the agent lives.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { inParallel, until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';
import { goodProfile, HOSTILE_CONFIGS, HOSTILE_PROFILES, type HostileFile, spoil } from './hostile-files.ts';
import { CANARY, HOSTILE_BYTES, HOSTILE_CALLS } from './hostile-signals.ts';

let world: World;
let pid: number;
beforeAll(async () => {
  world = await createWorld({ audit: true });
  pid = world.agent.pid;
});
afterAll(() => world?.close());

test('there are more than a hundred of them', () => {
  const count = HOSTILE_CALLS.length + Object.keys(HOSTILE_BYTES).length + HOSTILE_CONFIGS.length;
  expect(count + HOSTILE_PROFILES.length).toBeGreaterThan(200);
});

describe('calls', () => {
  test.each(HOSTILE_CALLS)('$name', async ({ method, path, body, names, status = 400 }) => {
    const reply = await world.api(method, path, body);
    expect(reply.status, reply.text).toBeGreaterThanOrEqual(400);
    expect(reply.status, reply.text).toBeLessThan(500);
    if (status !== 0) expect(reply.status, reply.text).toBe(status);
    expectProblem(reply, reply.status, reply.body.code);
    expect(reply.body.detail).toMatch(names);
    // A terminal that shows the sentence must not be steered by it.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
    expect(reply.body.detail).not.toMatch(/[\u0000-\u001f\u007f\u202e]/);
  });

  test.each(Object.entries(HOSTILE_BYTES))('bytes: %s', async (_name, bytes) => {
    const reply = await world.raw(bytes);
    expect(reply.status === 0 || (reply.status >= 400 && reply.status < 500), reply.text).toBe(true);
  });

  test('nothing was leased, nothing reached Vault, the agent lives', async () => {
    expect(world.agent.pid).toBe(pid);
    expect(world.agent.running).toBe(true);
    expect(await world.vaultLeases()).toEqual([]);
    expect(await world.taskTokens()).toEqual([]);
    expect(world.taskDirs()).toEqual([]);

    const started = await startTask(world, 'still-good', 'database');
    expect(started.files).toContain('db.env');
    expectProved(await stopTask(world, 'still-good'), 1);

    const audit = await readFile(world.paths.audit, 'utf8');
    const naming = (word: string): string[] =>
      audit.split('\n').flatMap((line) => (line.includes(word) ? [JSON.parse(line).request?.path] : []));
    expect(naming('still-good')).not.toEqual([]);
    expect(naming(CANARY)).toEqual([]);
    expect(naming('hostile')).toEqual([]);
    const paths = new Set<string>(
      audit
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).request?.path),
    );
    for (const path of paths) expect(path).toMatch(/^[A-Za-z0-9_/-]+$/);
  });
});

/** Runs `tasklease agent --check` on files of their own. */
const check = async (n: string, config: string, profiles: Record<string, string>) => {
  const dir = join(world.paths.scratch, n);
  const profilesDir = join(dir, 'profiles');
  await mkdir(profilesDir, { recursive: true });
  for (const [name, text] of Object.entries(profiles)) await writeFile(join(profilesDir, name), text);
  const path = join(dir, 'agent.yaml');
  await writeFile(path, config.replace(world.paths.profiles, profilesDir), { mode: 0o600 });
  const result = await world.cli(['agent', '--check', '--config', path]);
  return { ...result, path, profilePath: join(profilesDir, 'subject.yaml') };
};

/** One mapping a line, so that a line can be spoilt. */
const blockConfig = async (): Promise<string> => {
  const config = parse(await readFile(world.paths.config, 'utf8'));
  return stringify({ ...config, limits: undefined, log: undefined }).concat(
    'limits: { tasks: 10 }\nlog: { level: info }\n',
  );
};

/** What is wrong with the refusal of a bad file; empty when it is as promised. */
const complaints = (
  file: HostileFile,
  result: { code: number | null; stderr: string },
  path: string,
  line: number | undefined,
): string[] => {
  const missing = [
    ...(result.code === 78 ? [] : [`exit 78 (but ${result.code})`]),
    ...(file.names.test(result.stderr) ? [] : [`the culprit ${file.names}`]),
    ...(result.stderr.includes(path) ? [] : ['the path']),
    ...(line === undefined || new RegExp(`(:|line )${line}\\b`).test(result.stderr) ? [] : [`line ${line}`]),
  ];
  return missing.length === 0 ? [] : [`${file.name}: no ${missing.join(', no ')} in: ${result.stderr}`];
};

describe('files', () => {
  test('the good ones pass', async () => {
    const result = await check('good', await blockConfig(), { 'subject.yaml': goodProfile });
    expect(result, result.stderr).toMatchObject({ code: 0 });
  });

  test('each bad configuration: exit 78, and the key and the line are named', async () => {
    const good = await blockConfig();
    const results = await inParallel(HOSTILE_CONFIGS, 3, async (file, n) => {
      const { text, line } = spoil(good, file);
      return { file, line, result: await check(`config-${n}`, text, {}) };
    });
    expect(results.flatMap(({ file, line, result }) => complaints(file, result, result.path, line))).toEqual(
      [],
    );
  });

  test('each bad profile: exit 78, and file, key and line are named', async () => {
    const config = await blockConfig();
    const results = await inParallel(HOSTILE_PROFILES, 3, async (file, n) => {
      const { text, line } = spoil(goodProfile, file);
      return { file, line, result: await check(`profile-${n}`, config, { 'subject.yaml': text }) };
    });
    expect(
      results.flatMap(({ file, line, result }) => complaints(file, result, result.profilePath, line)),
    ).toEqual([]);
  });

  test('a configuration that is not there, and a VAULT_TOKEN in the environment', async () => {
    const missing = join(world.paths.scratch, 'missing.yaml');
    const result = await world.cli(['agent', '--check', '--config', missing]);
    expect(result, result.stderr).toMatchObject({ code: 78 });
    expect(result.stderr).toContain(missing);

    const token = await world.cli(['agent', '--config', world.paths.config], {
      env: { VAULT_TOKEN: 'hvs.zqx' },
    });
    expect(token, token.stderr).toMatchObject({ code: 78 });
    expect(token.stderr).toContain('VAULT_TOKEN');
    expect(token.stderr).not.toContain('hvs.zqx');
  });

  test('a living agent keeps the last good version of a profile that is spoilt, and says so', async () => {
    const path = join(world.paths.profiles, 'database.yaml');
    const good = await readFile(path, 'utf8');
    const before = world.logs().length;
    await writeFile(path, 'profile: [zqx');
    await until('the log names the bad file', () => world.logs().slice(before).includes(path));
    await startTask(world, 'last-good', 'database');
    await stopTask(world, 'last-good');
    await writeFile(path, good);

    // A new one, and one that goes, are seen without a restart.
    await world.writeProfile('fresh', { ...parse(good), profile: 'fresh' });
    await until('the new profile is known', async () => {
      const reply = await world.api('PUT', '/v1/tasks/fresh', { profile: 'fresh' });
      return reply.status === 201;
    });
    await stopTask(world, 'fresh');
    await rm(join(world.paths.profiles, 'fresh.yaml'));
    let attempt = 0;
    await until('the removed profile is forgotten', async () => {
      attempt += 1;
      const task = `forgotten-${attempt}`;
      const reply = await world.api('PUT', `/v1/tasks/${task}`, { profile: 'fresh' });
      if (reply.status === 201) await stopTask(world, task);
      return reply.status === 404;
    });
  });
});
