// Tells how tasklease runs beside a workload in a container of its own: docker-compose.yml as shipped, but for a short
// leash, with real containers, another user and another pid namespace on the workload's side, and no Node there.
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { Deployment } from './deployment.ts';
import { standing } from './profiles.ts';

const LEASH = 15;
const TASKS = '/run/tasklease-tasks';

let box: Deployment;
beforeAll(async () => {
  const profiles = { standing: standing(), moving: standing() };
  box = await Deployment.open({ leash: LEASH, profiles });
  await box.up();
  await box.startWorkload();
}, 900_000);
afterAll(() => box?.close());

const refused = async (login: { username: string; password: string }): Promise<boolean> =>
  !(await box.canLogin(login));

describe('the agent’s image', () => {
  const inspect = async (format: string) =>
    box.engine.podman(['image', 'inspect', '--format', format, 'tasklease:local']);

  test('is small, not root, labelled, and checks its health itself', async () => {
    expect(await inspect('{{.Config.User}}')).toBe('10001:10001');
    expect(await inspect('{{json .Config.Healthcheck.Test}}')).toBe('["CMD","tasklease","health"]');
    expect(JSON.parse(await inspect('{{json .Config.Labels}}'))).toMatchObject({
      'org.opencontainers.image.title': 'tasklease',
      'org.opencontainers.image.version': expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect(Number(await inspect('{{.Size}}'))).toBeLessThan(300e6);
  });

  test('holds one bundled file of JavaScript, what is native, and no npm', async () => {
    const list = await box.exec('agent', ['find', '/usr/lib/tasklease', '-type', 'f']);
    const files = list.stdout.trim().split('\n');
    const own = files.filter((file) => !file.includes('/node_modules/'));
    expect(own.toSorted().map((file) => file.replace(/-[0-9a-f]{16}\.v8$/, '.v8'))).toEqual([
      '/usr/lib/tasklease/dist/agent.v8',
      '/usr/lib/tasklease/dist/bundle.cjs',
      '/usr/lib/tasklease/dist/command.v8',
      '/usr/lib/tasklease/dist/tasklease.js',
      '/usr/lib/tasklease/package.json',
    ]);
    const packages = files.filter((file) => file.includes('/node_modules/'));
    expect(packages.filter((file) => !/node_modules\/(koffi|@koromix)\//.test(file))).toEqual([]);
    expect((await box.exec('agent', ['npm', '--version'])).code).not.toBe(0);
  });

  test('runs without capabilities on a root that it cannot write to, and gains none', async () => {
    const { stdout } = await box.exec('agent', [
      'grep',
      '-E',
      '^(Uid|CapEff|CapBnd|NoNewPrivs):',
      '/proc/1/status',
    ]);
    expect(stdout.replace(/\s+/g, ' ')).toBe(
      'Uid: 10001 10001 10001 10001 CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 ',
    );
    const written = await box.exec('agent', [
      'sh',
      '-c',
      'echo x >/usr/lib/tasklease/x; echo x >/etc/tasklease/x',
    ]);
    expect(written.stderr.match(/Read-only file system/g)).toHaveLength(2);
  });
});

describe('a workload with another user, without Node', () => {
  test('the shipped one reads its files, logs in, stops, and is refused', async () => {
    const said = await box.compose('run', '-T', '--rm', 'workload');
    expect(said).toContain('workload: uid 20001, gid 10001, node: none');
    expect(said).toMatch(/report: v-\S+ sees 30 days of sales/);
    expect(said).toMatch(/workload: the task is stopped and v-\S+ is refused/);
  });

  test('starts and stops with tasklease.sh; its files are readable by the group that both share', async () => {
    const started = JSON.parse(await box.sh('tasklease.sh start --profile standing --task by-shell'));
    expect(started).toMatchObject({ task: 'by-shell', state: 'active', dir: `${TASKS}/by-shell/current` });
    expect(await box.sh(`stat -c '%a %u:%g' ${TASKS}/by-shell/current/db.env`)).toBe('440 10001:10001');
    expect(await box.sh(`stat -c '%a %u:%g' ${TASKS}/by-shell`)).toBe('750 10001:10001');
    const login = await box.login('by-shell');
    const sql = 'select current_user, count(*) from sales';
    const psql = `. ${TASKS}/by-shell/current/db.env; export PGUSER PGPASSWORD; psql -XAt -c '${sql}'`;
    expect(await box.sh(psql)).toBe(`${login.username}|30`);

    const receipt = JSON.parse(await box.sh('tasklease.sh stop by-shell'));
    expectProved(receipt, 1);
    expect(await refused(login)).toBe(true);
    expect((await box.exec('workload', ['ls', `${TASKS}/by-shell`])).stderr).toContain('No such file');
  });

  test('starts and stops with curl', async () => {
    await startTask(box, 'by-curl', 'standing');
    const login = await box.login('by-curl');
    expect(await box.canLogin(login)).toBe(true);
    expectProved(await stopTask(box, 'by-curl'), 1);
    expect(await refused(login)).toBe(true);
  });

  test('cannot bind a process id, which means nothing to the agent: the hint says what to bind instead', async () => {
    const bound = await box.api('PUT', '/v1/tasks/by-pid', { profile: 'standing', bind: { pid: 1 } });
    expect(expectProblem(bound, 400, 'SIGNAL_INVALID')).toMatchObject({
      detail: expect.stringContaining('pid namespaces'),
      hint: expect.stringContaining('bind the connection instead'),
    });
  });

  test('another user with its group is refused by the profile and sees no task of its neighbours', async () => {
    await startTask(box, 'mine', 'standing');
    const user = '20002:10001';
    const start = await box.api('PUT', '/v1/tasks/theirs', { profile: 'standing' }, { user });
    expectProblem(start, 403, 'PROFILE_DENIED');
    expectProblem(await box.api('GET', '/v1/tasks/mine', undefined, { user }), 404, 'TASK_UNKNOWN');
    expectProblem(await box.api('DELETE', '/v1/tasks/mine', undefined, { user }), 404, 'TASK_UNKNOWN');
    expect((await box.api('GET', '/v1/tasks', undefined, { user })).body).toEqual({ tasks: [] });
  });

  test('a user without its group reaches neither the socket nor the files, and is told why', async () => {
    const user = '20003:20003';
    const started = await box.exec('workload', ['tasklease.sh', 'start', '--profile', 'standing'], { user });
    expect(started).toMatchObject({ code: 3 });
    expect(started.stderr).toContain('user 20003 with group 20003 may not use this socket');
    const read = await box.exec('workload', ['cat', `${TASKS}/mine/current/db.env`], { user });
    expect(read.stderr).toContain('Permission denied');
    expectProved(await stopTask(box, 'mine'), 1);
  });

  test('changes nothing in the directories it was given, cannot list them, and has no way to Vault', async () => {
    const tries = await box.exec('workload', [
      ...['sh', '-c', `ls ${TASKS}; mkdir ${TASKS}/x; rm /run/tasklease/agent.sock; ls /run/tasklease`],
    ]);
    const lines = tries.stderr.trim().split('\n');
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/Permission denied|Read-only file system/);
    const vault = await box.exec('workload', ['curl', '-sS', '-m', '5', 'http://vault:8200/v1/sys/health']);
    expect(vault.code).not.toBe(0);
    expect((await box.exec('workload', ['ls', '/run/tasklease-private'])).stderr).toContain('No such file');
  });

  test('reads whole files through its read-only mount while they are rotated', async () => {
    await startTask(box, 'reader', 'moving');
    const first = await box.login('reader');
    const rounds = 5;
    // A careful reader resolves `current` once; a plain one does not, and finds its file all the same.
    const reading = box.sh(
      `deadline=$(($(date +%s) + 50)) looks=0
       until [ -e ${TASKS}/reader/current/round-${rounds} ]; do
         [ $(date +%s) -lt $deadline ] || { echo "no round ${rounds} in ${TASKS}/reader/current" >&2; exit 1; }
         cat ${TASKS}/reader/current/db.json >/dev/null
         cd -P ${TASKS}/reader/current
         . ./db.env
         grep -qF -e "$PGPASSWORD" db.json || { echo "mixed in $PWD" >&2; exit 1; }
         cd /; looks=$((looks + 1))
       done
       echo $looks`,
    );
    reading.catch(() => undefined); // it is awaited below
    for (let round = 1; round <= rounds; round += 1) {
      box.writeProfile('moving', standing(round));
      await until(`round ${round} is there`, async () => {
        const task = await box.api('GET', '/v1/tasks/reader');
        return task.body.files.includes(`round-${round}`);
      });
    }
    expect(Number(await reading)).toBeGreaterThan(0);
    expect(await box.canLogin(await box.login('reader'))).toBe(true);
    await until('the first generation is revoked after its overlap', () => refused(first));
    expectProved(await stopTask(box, 'reader'), rounds + 1);
    await untilEmpty('roles of the task in PostgreSQL', () => box.pgRoles());
  });
});

describe('when containers are killed', () => {
  test('the workload’s: its task is stopped within a second, and its login is dead', async () => {
    await box.removeWorkload();
    const run = ['tasklease.sh', 'run', '--profile', 'report-read', '--event', 'compose:killed'];
    await box.startWorkload([...run, '--task', 'killed', '--', 'sleep', '600']);
    const login = await until('the task’s files are there', () => box.login('killed'));
    expect(await box.canLogin(login)).toBe(true);

    const killedAt = await box.kill9('workload');
    await until('PostgreSQL refuses the login', () => refused(login));
    const stopping = (await box.facts('killed')).find(({ msg }) => msg === 'grant.stopping');
    expect(stopping).toMatchObject({ reason: 'lost' });
    expect(Date.parse(stopping!.time) - killedAt).toBeLessThan(1000);
    await untilEmpty('Vault’s leases', () => box.vaultLeases());
    await box.removeWorkload();
    await box.startWorkload();
  });

  test('the agent’s: the engine starts it again, and it takes the living task over', async () => {
    await startTask(box, 'survivor', 'standing');
    const login = await box.login('survivor');
    await box.kill9('agent');
    await box.healthy();
    expect((await box.api('GET', '/v1/tasks/survivor')).body).toMatchObject({ state: 'active' });
    expect(await box.canLogin(await box.login('survivor'))).toBe(true);
    const receipt = await stopTask(box, 'survivor');
    expectProved(receipt, receipt.leases.length);
    expect(await refused(login)).toBe(true);
  });

  test('the agent’s, with its private tmpfs: a new container gives the task a login under its own session', async () => {
    await startTask(box, 'heir', 'standing');
    const first = await box.login('heir');
    await box.removeAgent();
    await box.compose('up', '--detach', '--no-deps', 'agent');
    await box.healthy();
    const second = await until('the task has a new login', async () => {
      const login = await box.login('heir');
      return login.username !== first.username && login;
    });
    expect(await box.canLogin(second)).toBe(true);
    expectProved(await stopTask(box, 'heir'), 2);
    expect(await refused(first)).toBe(true);
    expect(await refused(second)).toBe(true);
  });

  test('both: Vault ends everything within the leash, and the next agent closes the task', async () => {
    await startTask(box, 'orphan', 'standing');
    const login = await box.login('orphan');
    const at = Date.now();
    await Promise.all([box.removeAgent(), box.removeWorkload()]);
    await until('PostgreSQL refuses the login', () => refused(login), (LEASH + 30) * 1000);
    expect(Date.now() - at).toBeGreaterThan(1000);
    await untilEmpty('Vault’s leases', () => box.vaultLeases());
    await untilEmpty('task tokens', () => box.taskTokens());
    await untilEmpty('roles in PostgreSQL', () => box.pgRoles());

    await box.compose('up', '--detach', '--no-deps', 'agent');
    await box.healthy();
    await box.startWorkload();
    const gone = await until('the task is closed', async () => {
      const task = await box.api('GET', '/v1/tasks/orphan');
      return task.body.state === 'closed' && task.body;
    });
    expect(gone).toMatchObject({ outcome: expect.stringMatching(/lost|revoked|failed|expired/) });
    expect(readdirSync(await box.volume('secrets'))).toEqual([]);
  });
});
