// Story 6: a backup service writes within one window of the night, and is dead before the next.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Stage } from '../../harness/stage.ts';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';
import { until } from '../../harness/until.ts';

const MINUTE_MS = 60_000;
const clock = (wallMs: number): string => new Date(wallMs).toISOString().slice(11, 16);

/** The window of the file, in other hours; answers its end. */
const inWindow = async (stage: Stage, fromMinutes: number, toMinutes: number): Promise<number> => {
  const [from, to] = [fromMinutes, toMinutes].map((minutes) => Date.now() + minutes * MINUTE_MS);
  const { profileText } = stage.files.kinds[0]!;
  const text = profileText.replace('01:00-04:00 UTC', `${clock(from!)}-${clock(to!)} UTC`);
  expect(text).not.toBe(profileText);
  await writeFile(join(stage.world.paths.profiles, 'backup.yaml'), text);
  return to! - (to! % MINUTE_MS);
};

story({
  name: '06-backup',
  promise:
    'a backup is written inside its window and read back by nobody; outside there is no start, and nothing of it outlives the window',
  tell: async (stage) => {
    const event = { type: 'backup_window', id: stage.round };
    const start = { profile: 'backup', event, duration: '3h' };
    await inWindow(stage, 120, 180);
    // Until the agent has read the new hours, starts are good: each under an id of its own, which is spent then.
    let tries = 0;
    const refused = await until('the hours are read', async () => {
      tries += 1;
      const early = stage.id(`early-${tries}`);
      const reply = await stage.put(early, start);
      if (reply.status === 403) return reply;
      await stage.stop(early);
      return undefined;
    });
    expect(expectProblem(refused, 403, 'PROFILE_DENIED').hint).toMatch(/its window opens at/);
    await stage.world.untilNothingLeft();

    const end = await inWindow(stage, -1, 40);
    const task = stage.id('held');
    await until('the hours are read', async () => (await stage.put(task, start)).status === 201);
    const [[login], token] = [stage.issuedTo(task), stage.tokenOf(task)];
    expect(await stage.sql(login!, `insert into backups (line) values ('a')`)).toBe('done');
    for (const beyond of ['select * from backups', 'delete from backups', `update backups set line = 'b'`]) {
      expect(await stage.sql(login!, beyond), beyond).toBe('42501');
    }
    await stage.refusedByVault(token, 'GET', 'database/creds/backup-reader');
    await stage.refusedByVault(token, 'GET', 'database/config/app');

    // Asked for three hours, and by nobody's book does it live past the window: ours, Vault's, PostgreSQL's.
    const { deadline } = (await stage.api('GET', `/v1/tasks/${task}`)).body;
    expect(Date.parse(deadline)).toBeLessThanOrEqual(end);
    const { data } = await stage.admin('POST', 'auth/token/lookup', { token });
    expect(Date.parse(data!.expire_time as string)).toBeLessThanOrEqual(end + 1000);
    await until('the login’s own end is inside the window', async () => {
      const [row] = await stage.world.postgres.query(
        'select rolvaliduntil as until from pg_roles where rolname = $1',
        [login!.username],
      );
      // Vault gives a login five seconds more than its lease.
      return (row!.until as Date).getTime() <= end + 10_000;
    });
    await stage.stop(task);
    expect(await stage.sql(login!, `insert into backups (line) values ('b')`)).toMatch(/^28/);
    await stage.isOver(task, 'completed', start);
    await stage.isOnRecord(task, event.type, event.id);

    // As the service does it.
    const night = stage.script([stage.round, join(stage.files.dir, 'target.sql')]);
    expect(await night.ended, night.said.stderr).toBe(0);
    const again = stage.script([stage.round, join(stage.files.dir, 'target.sql')]);
    expect(await again.ended).toBe(125);
    expect(again.said.stderr).toContain('TASK_SPENT');
    const [kept] = await stage.world.postgres.query(
      `select count(*)::int as n from backups where line like 'create table%'`,
    );
    expect(kept!.n).toBeGreaterThan(0);
  },
});
