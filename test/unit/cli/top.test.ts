// `tasklease top` on a real terminal of 80 by 24, and without one.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fit, frame, rowsOf, type Seen, short, type View } from '../../../src/cli/top-frame.ts';
import { ROOT } from '../../architecture/sources.ts';
import { runCommand } from '../../harness/command.ts';
import { type Terminal, terminal } from '../../harness/terminal.ts';
import { until } from '../../harness/until.ts';

const dir = mkdtempSync(join(tmpdir(), 'tasklease-top-'));
const admin = join(dir, 'admin.sock');
const own = join(dir, 'agent.sock');
const now = Date.now();
const at = (ms: number): string => new Date(now + ms).toISOString();

const task = (id: string, state: string, more: object = {}) => ({
  task: id,
  state,
  profile: 'report-read',
  event: { type: 'pull_request', id: 'acme/shop#412' },
  started_at: at(-90_000),
  deadline: at(600_000),
  leases: [{ secret: 'db', expires_at: at(300_000), renewable: true, revocable: true }],
  ...more,
});

const WORLD = [
  ...Array.from({ length: 40 }, (_, i) =>
    task(`build-${String(i).padStart(2, '0')}`, 'active', { deadline: at(700_000 + i * 1000) }),
  ),
  task('hangs', 'stopping', { reason: { code: 'VAULT_SEALED', detail: '503: Vault is sealed' } }),
  task('limps', 'degraded', { reason: { code: 'VAULT_UNREACHABLE', detail: 'gave no answer' } }),
  task('asks', 'pending_approval', { leases: [] }),
  task('evil', 'active', { event: { type: 'x', id: 'a\u001b[2Jb\u202ec日本語🎉'.repeat(9) } }),
];

let tasks: object[] = WORLD;
const servers: Server[] = [];
const listen = (path: string, mine: () => object[]): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer(({ url }, response) => {
      if (url === '/v1/tasks') response.end(JSON.stringify({ tasks: mine() }));
      else if (url === '/v1/health?ready')
        response.writeHead(503).end(
          JSON.stringify({
            ready: false,
            reasons: [{ code: 'VAULT_SEALED', detail: 'Vault is sealed', hint: 'unseal it' }],
          }),
        );
      else
        response.end(
          'tasklease_leases 43\ntasklease_leases_without_task 1\ntasklease_revocations_pending 1\ntasklease_revocation_oldest_age_seconds 125\ntasklease_session_ttl_seconds 250\n',
        );
    });
    servers.push(server);
    server.listen(path, () => resolve(server));
  });

beforeAll(async () => {
  await listen(admin, () => tasks);
  await listen(own, () => tasks.slice(0, 2));
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(dir, { recursive: true, force: true });
});

const TOP = [process.execPath, join(ROOT, 'dist/tasklease.js'), 'top', '--interval', '300ms'];
const ENV = { TASKLEASE_ADMIN_SOCKET: admin, TASKLEASE_SOCKET: own };

describe('on a terminal of 80 by 24', () => {
  let screen: Terminal;
  const shows = (what: RegExp) => until(`it shows ${what}`, () => what.test(screen.screen().join('\n')));
  beforeEach(async () => {
    tasks = WORLD;
    screen = terminal(TOP, { env: ENV });
    await shows(/build-00/);
  });
  afterEach(() => screen.kill());

  test('what needs a look comes first, with the queue, Vault and the keys; nothing is wider or higher', async () => {
    const lines = screen.screen();
    expect(lines).toHaveLength(24);
    for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(80);
    expect(lines[0]).toBe('44 tasks: 1 stopping, 1 degraded, 1 waiting, 41 active');
    expect(lines[1]).toMatch(/^not ready: VAULT_SEALED: Vault is sealed; unseal it/);
    expect(lines[2]).toBe('revocations pending 1  oldest 2m  leases 43  without a task 1');
    expect(lines[4]).toMatch(/^TASK +STATE +AGE +LEFT +LEASES +PROFILE +EVENT OR REASON$/);
    expect(lines[5]).toMatch(/^hangs +stopping +\d+[sm] +over +1, \d+m +report-read +VAULT_SEALED/);
    expect(lines[6]).toMatch(/^limps +degraded/);
    expect(lines[7]).toMatch(/^asks +waiting/);
    expect(lines[23]).toMatch(/^q quit/);
  });

  test('keys filter, scroll, pause and quit, and the terminal is as it was', async () => {
    screen.type('s');
    await shows(/showing stopping {2}1 of 44/);
    expect(screen.screen().join('\n')).not.toContain('build-');
    screen.type('d');
    await shows(/showing degraded/);
    screen.type('a');
    await shows(/build-00/);
    screen.type('\u001b[6~');
    await shows(/from 19/);
    screen.type('\u001b[F');
    await shows(/build-39/);
    screen.type('/');
    screen.type('build-3');
    await shows(/filter: build-3_/);
    screen.type('\r');
    await shows(/filter: build-3 {2}10 of 44/);
    screen.type('\u001b');
    await shows(/hangs/);
    screen.type('p');
    await shows(/paused/);
    tasks = WORLD.slice(0, 3);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(screen.screen()[0]).toMatch(/^44 tasks/);
    screen.type('p');
    await shows(/^3 tasks/);
    screen.type('q');
    expect(await screen.ended).toEqual({ code: 0, echo: true, canonical: true });
    expect(screen.raw().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
  });

  test('Ctrl-C ends it too, and a smaller terminal gets a smaller frame', async () => {
    screen.resize(40, 12);
    await until('the frame fits', () => screen.screen().length === 12);
    for (const line of screen.screen()) expect([...line].length).toBeLessThanOrEqual(40);
    screen.type('\u0003');
    expect(await screen.ended).toMatchObject({ code: 0, echo: true });
  });

  test('what a caller wrote steers nothing', async () => {
    screen.type('/');
    screen.type('evil\r');
    await shows(/evil +active/);
    expect(screen.screen().join('\n')).toMatch(/x:a\?\[2Jb\?c/);
    expect(screen.raw()).not.toContain('\u001b[2J');
  });
});

test('NO_COLOR: no colour, the same words', async () => {
  const screen = terminal(TOP, { env: { ...ENV, NO_COLOR: '1' } });
  await until('it shows tasks', () => screen.screen().join('\n').includes('hangs'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what must not be there
  expect(screen.raw()).not.toMatch(/\u001b\[[0-9;]*m/);
  screen.type('q');
  await screen.ended;
});

test('a dumb terminal gets one table, and so does --once', async () => {
  for (const [argv, env] of [
    [TOP, { TERM: 'dumb' }],
    [[...TOP, '--once'], {}],
  ] as const) {
    const screen = terminal(argv, { env: { ...ENV, ...env } });
    expect(await screen.ended).toMatchObject({ code: 0 });
    expect(screen.raw()).not.toContain('\u001b[?');
    expect(screen.raw()).not.toContain('\u001b[H');
    expect(screen.raw()).toContain('build-39');
  }
});

test('without a terminal: a table, the filter counts; own tasks where the admin socket cannot be used', async () => {
  const all = await runCommand(['top', '--filter', 'stopping'], { env: ENV });
  expect(all).toMatchObject({ code: 0, stderr: '' });
  expect(all.stdout).toMatch(/^44 tasks: .*\nnot ready: .*\n.*\nTASK.*\nhangs .*503: Vault is sealed\n$/);
  const mine = await runCommand(['top'], {
    env: { ...ENV, TASKLEASE_ADMIN_SOCKET: join(dir, 'nothing.sock') },
  });
  expect(mine.stdout).toMatch(/^2 tasks of yours: 2 active\n/);
  const nobody = await runCommand(['top', '--socket', join(dir, 'nothing.sock')], { env: ENV });
  expect(nobody).toMatchObject({ code: 3, stdout: '' });
});

test('an agent that goes away is said to be away, and found again', async () => {
  const path = join(dir, 'away.sock');
  let server = await listen(path, () => WORLD.slice(0, 1));
  const screen = terminal([...TOP, '--socket', path]);
  const shows = (what: RegExp) => until(`it shows ${what}`, () => what.test(screen.screen().join('\n')));
  await shows(/1 task/);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await shows(/the agent cannot be reached; trying again/);
  expect(screen.screen().join('\n')).toContain('build-00');
  server = await listen(path, () => WORLD.slice(0, 2));
  await shows(/2 tasks/);
  screen.type('q');
  expect(await screen.ended).toMatchObject({ code: 0 });
});

describe('a frame', () => {
  const view: View = {
    width: 80,
    height: 24,
    state: null,
    filter: '',
    typing: false,
    paused: false,
    offset: 0,
    away: null,
  };
  const seen: Seen = {
    ...{
      tasks: rowsOf({ tasks: WORLD }),
      ready: true,
      reasons: [],
      everybody: true,
      sessionSeconds: 90,
      leases: 1,
    },
    ...{ withoutTask: 0, pending: 0, oldestSeconds: 0, at: now },
  };

  test.each([
    [80, 24],
    [40, 10],
    [200, 60],
    [20, 8],
    [132, 7],
  ])('fits into %d by %d', (width, height) => {
    const lines = frame(seen, { ...view, width, height });
    expect(lines).toHaveLength(height);
    for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(width);
  });

  test('times are short and never lie by their unit', () => {
    expect([0, 59, 99, 100, 3600, 5999, 6000, 90_000, 200_000, 1e8, Number.NaN].map(short)).toEqual([
      '0s',
      '59s',
      '99s',
      '2m',
      '60m',
      '100m',
      '1h40',
      '25h00',
      '2d7h',
      '1157d',
      '?',
    ]);
  });

  test('a wide character counts as two', () => {
    expect(fit('日本語', 6)).toBe('日本語');
    expect(fit('日本語', 5)).toBe('日本…');
  });
});
