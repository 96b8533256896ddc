// Owns the guided tour: one task's whole life, then one that is killed, then one under `tasklease run`.
// Everything is asked of the agent over its socket or its command line, and judged from Vault's and
// PostgreSQL's own answers. Invariant: no secret is printed.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type ApiBody, callAgent, problemText } from './agent-api.ts';
import { isTmpfs } from './agent-config.ts';
import { bareEnvironment, TASKLEASE } from './agent-process.ts';
import { launch } from './children.ts';
import { canLogin } from './postgres-server.ts';
import { expect, type Tell } from './screen.ts';
import { livesOn } from './tour-living.ts';
import { type Stage, start } from './tour-stage.ts';
import { knowsLease, knowsToken, leasesUnder, shorten, tokensOf } from './vault-view.ts';

type Grant = { deadline: string; dir: string; files: string[]; accessor: string; leaseId: string };

/** What Vault itself says was made for the task: one token, one lease. */
const inVault = async (stage: Stage, task: string, path: string, tell: Tell) => {
  const [token, ...others] = await tokensOf(stage.vault, task);
  expect(token !== undefined && others.length === 0, `Vault has no single token for ${task}`);
  tell('token', `accessor ${shorten(token.accessor)}, policies ${token.policies.join(', ')}`);
  tell('', `ends in ${token.ttlSeconds} s by itself, ${token.renewable ? 'RENEWABLE' : 'not renewable'}`);
  const leases = await leasesUnder(stage.vault, path);
  expect(leases.length === 1, `Vault has ${leases.length} leases under ${path} instead of one`);
  tell('lease', shorten(leases[0]!));
  return { accessor: token.accessor, leaseId: leases[0]! };
};

const onDisk = (dir: string, files: string[], tell: Tell): void => {
  const real = realpathSync(dir);
  expect(isTmpfs(real), `${real} is not on tmpfs`);
  for (const file of files) {
    const { uid, mode, size } = statSync(join(dir, file));
    const owner = uid === process.getuid?.() ? userInfo().username : `uid ${uid}`;
    expect((mode & 0o007) === 0, `${file} is readable by everybody`);
    tell(
      'file',
      `${join(dir, file)}  owner ${owner}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}, ${size} bytes`,
    );
  }
  tell('', `on tmpfs (memory); its content is not shown`);
};

const goneFrom = (dir: string): boolean => lstatSync(dir, { throwIfNoEntry: false }) === undefined;

/** As `tasklease stop` prints it; the signature, 2 kB of base64 in a line, is cut short. */
const receiptLines = (receipt: ApiBody): string[] =>
  JSON.stringify(
    receipt,
    (name, value) => (name === 'jws' ? `${value.slice(0, 20)}… (${value.length} characters)` : value),
    2,
  ).split('\n');

/** The first task: start signal, what it got, a login, stop, and what is left. */
const wholeLife = async (stage: Stage): Promise<void> => {
  const { screen, vault, postgres, socketPath } = stage;
  const task = `tour-${process.pid}`;
  const path = 'database/creds/report';
  screen.heading('One task, from its start signal to its receipt');

  const grant = await screen.step(
    `PUT /v1/tasks/${task} with profile report-read`,
    async (tell): Promise<Grant> => {
      const body = { profile: 'report-read', duration: '10m', event: { type: 'demo', id: 'first-light' } };
      const answer = await start(stage, task, body, tell);
      const { dir, files, deadline } = answer as { dir: string; files: string[]; deadline: string };
      return { deadline, dir, files, accessor: '', leaseId: '' };
    },
  );
  await screen.step('Vault made one token and one lease for it', async (tell) => {
    Object.assign(grant, await inVault(stage, task, path, tell));
  });
  await screen.step('its files are on tmpfs, readable only for us', async (tell) =>
    onDisk(grant.dir, grant.files, tell),
  );
  const login = JSON.parse(readFileSync(join(grant.dir, 'db.json'), 'utf8')) as {
    username: string;
    password: string;
  };
  const tryLogin = (): Promise<boolean> =>
    canLogin(postgres.port, 'postgres', login.username, login.password);
  const role = 'select rolvaliduntil from pg_roles where rolname = $1';
  await screen.step('PostgreSQL lets the leased login in', async (tell) => {
    expect(await tryLogin(), 'PostgreSQL refused the leased login');
    tell('role', login.username);
    // The agent answers first and then cuts the lease to the deadline; Vault adds 5 s for PostgreSQL.
    const latest = Date.parse(grant.deadline) + 10_000;
    const validUntil = async (): Promise<Date> =>
      (await postgres.query(role, [login.username]))[0]!.rolvaliduntil as Date;
    let until = await validUntil();
    for (const giveUpAt = performance.now() + 3_000; +until > latest && performance.now() < giveUpAt; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      until = await validUntil();
    }
    expect(+until <= latest, `it is valid until ${until.toISOString()}, long after the deadline`);
    tell('', `valid until ${until.toISOString()}: cut to the task's deadline`);
  });
  await screen.step(`DELETE /v1/tasks/${task}?wait=30s answers "closed"`, async (tell) => {
    const reply = await callAgent(socketPath, 'DELETE', `/v1/tasks/${task}?wait=30s`);
    expect(reply.status === 200 && reply.body.state === 'closed', `it said ${problemText(reply)}`);
    tell('outcome', String(reply.body.outcome));
  });
  await screen.step('the files are gone', async () => {
    expect(goneFrom(grant.dir), `${grant.dir} is still there`);
  });
  await screen.step('Vault does not know the lease or the token any more', async (tell) => {
    expect(!(await knowsLease(vault, grant.leaseId)), `Vault still knows ${shorten(grant.leaseId)}`);
    tell('lease', `${shorten(grant.leaseId)}: invalid lease`);
    expect(!(await knowsToken(vault, grant.accessor)), `Vault still knows ${shorten(grant.accessor)}`);
    tell('token', `${shorten(grant.accessor)}: invalid accessor`);
  });
  await screen.step('PostgreSQL refuses the same login', async (tell) => {
    expect(!(await tryLogin()), 'the login still works');
    const rows = await postgres.query(role, [login.username]);
    expect(rows.length === 0, `the role ${login.username} still exists`);
    tell('role', `${login.username}: dropped`);
  });
  await screen.step(`GET /v1/tasks/${task}/receipt`, async (tell) => {
    const reply = await callAgent(socketPath, 'GET', `/v1/tasks/${task}/receipt`);
    expect(reply.status === 200, `it said ${problemText(reply)}`);
    const leases = (reply.body.leases ?? []) as { proof?: string }[];
    for (const line of receiptLines(reply.body)) tell('', line);
    expect(
      leases.length === 1 && leases[0]?.proof === 'revoked',
      'the receipt does not prove the revocation',
    );
  });
};

/** The second task: bound to a process that is killed with -9. */
const boundToProcess = async (stage: Stage): Promise<void> => {
  const { screen, vault, socketPath } = stage;
  const task = `deploy-${process.pid}`;
  const workload = await launch('sleep', ['3600'], { env: bareEnvironment(), logPath: '/dev/null' });
  screen.heading('A task bound to a process that is killed');
  try {
    const { dir, leaseId, serial } = await screen.step(
      `PUT /v1/tasks/${task} with profile deploy-cert, bound to pid ${workload.pid}`,
      async (tell) => {
        const answer = await start(
          stage,
          task,
          { profile: 'deploy-cert', bind: { pid: workload.pid } },
          tell,
        );
        const made = await inVault(stage, task, 'pki/issue/app', tell);
        const dir = answer.dir as string;
        onDisk(dir, answer.files as string[], tell);
        const certificate = new X509Certificate(readFileSync(join(dir, 'tls.pem')));
        tell('cert', certificate.subject.replace('\n', ', '));
        const serial = certificate.serialNumber.toLowerCase().match(/../g)!.join('-');
        return { dir, leaseId: made.leaseId, serial };
      },
    );
    await screen.step(`kill -9 ${workload.pid}: files gone, lease revoked, within a second`, async (tell) => {
      const killedAt = performance.now();
      const since = (): number => Math.round(performance.now() - killedAt);
      await workload.end('SIGKILL', 1_000);
      while (!goneFrom(dir) && since() < 5_000) await new Promise((resolve) => setTimeout(resolve, 2));
      const filesMs = since();
      expect(goneFrom(dir), `the files are still there after ${filesMs} ms`);
      tell('files', `gone after ${filesMs} ms`);
      const receipt = () => callAgent(socketPath, 'GET', `/v1/tasks/${task}/receipt`);
      let reply = await receipt();
      while (reply.status === 409 && since() < 10_000) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        reply = await receipt();
      }
      const closedMs = since();
      expect(reply.status === 200, `no receipt: ${problemText(reply)}`);
      expect(!(await knowsLease(vault, leaseId)), `Vault still knows ${shorten(leaseId)}`);
      tell('lease', `proved gone after ${closedMs} ms, outcome "${reply.body.outcome}"`);
      const { body } = await vault.request('GET', `pki/cert/${serial}`);
      expect(Number(body.data?.revocation_time) > 0, 'the certificate is not revoked');
      tell('cert', `revoked at ${body.data?.revocation_time_rfc3339 ?? body.data?.revocation_time}`);
      expect(filesMs < 1_000 && closedMs < 1_000, 'that took longer than a second');
    });
  } finally {
    await workload.end('SIGKILL', 1_000);
  }
};

/** The third task: what most people will use. */
const underRun = async ({ screen, socketPath }: Stage): Promise<void> => {
  screen.heading('The same from the command line');
  const script = 'ls "$TASKLEASE_DIR/"; echo "$TASKLEASE_DIR" >&2';
  const args = ['run', '--socket', socketPath, '--profile', 'app-config', '--param', 'env=staging'];
  await screen.step(
    'tasklease run --profile app-config --param env=staging -- ls "$TASKLEASE_DIR"',
    async (tell) => {
      const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>(
        (resolve) => {
          const command = [...args, '--', 'sh', '-c', script];
          execFile(TASKLEASE, command, { env: bareEnvironment(), timeout: 60_000 }, (error, stdout, stderr) =>
            resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr }),
          );
        },
      );
      expect(code === 0, `it ended with ${String(code)}: ${stderr.trim()}`);
      const dir =
        stderr
          .trim()
          .split('\n')
          .find((line) => line.startsWith('/')) ?? '';
      expect(/app\.json/.test(stdout), `the command saw no app.json, but: ${stdout.trim()}`);
      expect(dir !== '' && !existsSync(dir), `${dir} is still there`);
      tell('it saw', stdout.trim().split('\n').join(', '));
      tell('after it', 'exit code 0, files gone');
    },
  );
};

/** Nothing of any task is left, neither on tmpfs nor in Vault nor in PostgreSQL. */
const nothingLeft = async ({ screen, vault, postgres }: Stage, secretsDir: string): Promise<void> => {
  await screen.step('nothing is left: no file, no lease, no leased role', async () => {
    const entries = readdirSync(secretsDir).filter((name) => !name.startsWith('.'));
    expect(entries.length === 0, `left in ${secretsDir}: ${entries.join(', ')}`);
    for (const path of ['database/creds/report', 'pki/issue/app']) {
      const leases = await leasesUnder(vault, path);
      expect(leases.length === 0, `left in Vault: ${leases.map(shorten).join(', ')}`);
    }
    const roles = await postgres.query(`select rolname from pg_roles where rolname like 'v-%'`);
    expect(roles.length === 0, `left in PostgreSQL: ${roles.map((row) => row.rolname).join(', ')}`);
  });
};

/** Runs the tour; rejects at the first step that fails, after printing it. */
export const tour = async (stage: Stage, secretsDir: string): Promise<void> => {
  await wholeLife(stage);
  await boundToProcess(stage);
  await livesOn(stage);
  await underRun(stage);
  await nothingLeft(stage, secretsDir);
};
