// The client as a user installs it: the packed tarball in a fresh folder, from JavaScript and from TypeScript, and the
// README's example of an AI agent, run as it stands.
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { bareEnvironment } from '../../src/dev/agent-process.ts';
import { ROOT } from '../architecture/sources.ts';
import { createWorld, type World } from '../harness/world.ts';

const run = promisify(execFile);
const modules = join(ROOT, 'node_modules');
let folder: string;
let world: World;

/** What npm would put there; the client needs nothing else. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tasklease-user-'));
  // Without its scripts: dist/ is what the other tests run, and it is not to be built anew under them.
  await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: ROOT });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  const installed = join(folder, 'node_modules', 'tasklease');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', installed]);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const { profile: _, ...sample } = parse(
    readFileSync(join(ROOT, 'src/dev/sample/report-read.yaml'), 'utf8'),
  ) as Record<string, unknown>;
  world = await createWorld({
    profiles: { 'report-read': { ...sample, allow: { uids: [process.getuid!()] } } },
  });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world?.close();
});

const node = (file: string, env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, [file], { cwd: folder, env: { ...bareEnvironment(), ...env } });

test('JavaScript imports it, alone in a fresh folder, and leases', async () => {
  writeFileSync(
    join(folder, 'app.js'),
    `import { connect, TaskleaseError } from 'tasklease/client';
await using task = await connect().start({ profile: 'database' });
console.log(Object.keys(JSON.parse(await task.read('db.json'))).join());
console.log((await task.stop()).leases[0].proof);
console.log(await connect({ socket: '/nowhere.sock' }).start({ profile: 'database' }).catch((error) => [error instanceof TaskleaseError, error.code].join()));
`,
  );
  const { stdout, stderr } = await node('app.js', { TASKLEASE_SOCKET: world.paths.socket });
  expect([stdout, stderr]).toEqual(['password,username\nrevoked\ntrue,AGENT_UNREACHABLE\n', '']);
  await world.untilNothingLeft(1_000);
});

const APP = `import { type Client, connect, type Receipt, type Task, TaskleaseError } from 'tasklease/client';

export async function work(signal?: AbortSignal): Promise<Receipt> {
  const client: Client = connect({ socket: undefined });
  await using task: Task = await client.start({ profile: 'p', params: { env: 'prod' }, duration: '5m', signal });
  for await (const { type, at } of task.events({ signal })) if (type === 'grant.closed') console.log(at);
  try {
    const text: string = await task.read('db.json');
    console.log(text.length, task.deadline.getTime(), (await task.status()).leases[0]?.secret);
  } catch (error) {
    if (error instanceof TaskleaseError && error.code === 'FILE_UNKNOWN') console.log(error.hint?.length);
    // @ts-expect-error: no such code
    if (error instanceof TaskleaseError && error.code === 'NO_SUCH_CODE') throw error;
  }
  // @ts-expect-error: a start needs a profile
  void client.start({});
  return task.stop();
}
`;

test.each([
  ['Node’s own resolution and types', { module: 'nodenext', types: ['node'] }],
  [
    'a bundler, and a browser’s types',
    { module: 'esnext', moduleResolution: 'bundler', lib: ['es2022', 'dom', 'esnext.disposable'], types: [] },
  ],
])('TypeScript finds its types and they hold, strictest: %s', async (_what, more) => {
  writeFileSync(join(folder, 'app.ts'), APP);
  const compilerOptions = {
    ...{ target: 'es2022', strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ noEmit: true, typeRoots: [join(modules, '@types')], ...more },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  const { stdout } = await run(join(modules, '.bin', 'tsc'), ['-p', folder]).catch((error) => error);
  expect(stdout).toBe('');
});

test('the README’s example counts the orders for one call of a tool, and its login is gone after it', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, example] = /^```ts\n([\s\S]*?tasklease\/client[\s\S]*?)^```/m.exec(readme) ?? [];
  expect(example?.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  writeFileSync(join(folder, 'example.ts'), example!);
  writeFileSync(
    join(folder, 'main.ts'),
    `import { countOrders } from './example.ts';\nconsole.log(await countOrders('call-7'));\n`,
  );
  symlinkSync(join(modules, 'pg'), join(folder, 'node_modules', 'pg'));
  await world.postgres.query('create table orders as select generate_series(1, 42) as id');
  await world.postgres.query('grant select on orders to report_reader');
  const facts = await world.open('GET', '/v1/events');
  const { host, port } = world.postgres;
  const { stdout } = await node('main.ts', {
    ...{
      TASKLEASE_SOCKET: world.paths.socket,
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: new URL(world.postgres.url).pathname.slice(1),
    },
  });
  expect(stdout).toBe('42\n');
  const accepted = await facts.find(({ type }) => type === 'grant.accepted');
  expect(accepted).toMatchObject({ profile: 'report-read', event: { type: 'tool_call', id: 'call-7' } });
  expect(await facts.find(({ type }) => type === 'grant.closed')).toMatchObject({ outcome: 'completed' });
  facts.close();
  await world.untilNothingLeft(1_000);
});
