// Owns the part of the tour about a task that lives on: through a change of its profile, which rotates its
// credential, and through the death of its agent. Judged by the files, the process and PostgreSQL.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callAgent, problemText } from './agent-api.ts';
import { bareEnvironment } from './agent-process.ts';
import { launch } from './children.ts';
import { canLogin } from './postgres-server.ts';
import { expect } from './screen.ts';
import { type Stage, start } from './tour-stage.ts';
import { leasesUnder } from './vault-view.ts';

type Login = { username: string; password: string };

const PATIENCE_MS = 15_000;

/** Polls until `met`; answers how long it took, in milliseconds. */
const waitFor = async (what: string, met: () => boolean | Promise<boolean>): Promise<number> => {
  const startedAt = performance.now();
  while (!(await met())) {
    expect(
      performance.now() - startedAt < PATIENCE_MS,
      `after ${PATIENCE_MS / 1000} s still not so: ${what}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return Math.round(performance.now() - startedAt);
};

/** A workload that says when it is told of new files (SIGHUP), bound to a task of a profile that changes. */
export const livesOn = async (stage: Stage): Promise<void> => {
  const { screen, vault, postgres, socketPath, profilesDir } = stage;
  const task = `living-${process.pid}`;
  const told = join(profilesDir, '..', `${task}.told`);
  const script = 'trap \'echo told >> "$1"\' HUP; while :; do sleep 0.05; done';
  const workload = await launch('sh', ['-c', script, 'sh', told], {
    env: bareEnvironment(),
    logPath: '/dev/null',
  });
  const profile = join(profilesDir, 'report-read.yaml');
  const change = (more: string): void => writeFileSync(profile, `${readFileSync(profile, 'utf8')}${more}`);
  const works = ({ username, password }: Login) => canLogin(postgres.port, 'postgres', username, password);
  screen.heading('A task that lives on');
  try {
    const body = { profile: 'report-read', bind: { pid: workload.pid } };
    const { file, login } = await screen.step(
      `PUT /v1/tasks/${task}, bound to pid ${workload.pid}`,
      async (tell) => {
        change('on_change: { signal: SIGHUP }\n');
        await new Promise((resolve) => setTimeout(resolve, 500));
        const { dir } = (await start(stage, task, body, tell)) as { dir: string };
        const file = join(dir, 'db.json');
        return { file, login: (): Login => JSON.parse(readFileSync(file, 'utf8')) };
      },
    );
    const first = login();
    await screen.step('its profile changes: the next generation, one flip, SIGHUP', async (tell) => {
      change('overlap: 1s\n');
      const flipped = await waitFor('another login in the file', () => login().username !== first.username);
      tell('flipped', `after ${flipped} ms, to ${login().username}`);
      expect(await works(login()), 'PostgreSQL refuses the new login');
      await waitFor('the workload was told', () => statSync(told, { throwIfNoEntry: false }) !== undefined);
      tell('workload', 'got its SIGHUP');
    });
    await screen.step('the one before is revoked after the overlap', async (tell) => {
      await waitFor(
        'one lease is left',
        async () => (await leasesUnder(vault, 'database/creds/report')).length === 1,
      );
      expect(!(await works(first)), 'PostgreSQL still accepts the old login');
      tell('role', `${first.username}: dropped`);
    });
    await screen.step('the agent is killed with -9 and started again: nobody notices', async (tell) => {
      const before = { inode: statSync(file).ino, ...login() };
      await stage.killAgent();
      expect(statSync(file).ino === before.inode, 'the file is another one');
      expect(await works(before), 'PostgreSQL refuses the login');
      const reply = await callAgent(socketPath, 'GET', `/v1/tasks/${task}`);
      expect(reply.body.state === 'active', `the task is not active: ${problemText(reply)}`);
      tell('state', `${String(reply.body.state)}, the same file, the same login`);
    });
    await screen.step('its process ends: everything is revoked', async () => {
      await workload.end('SIGKILL', 1_000);
      await waitFor(
        'no lease is left',
        async () => (await leasesUnder(vault, 'database/creds/report')).length === 0,
      );
    });
  } finally {
    await workload.end('SIGKILL', 1_000);
  }
};
