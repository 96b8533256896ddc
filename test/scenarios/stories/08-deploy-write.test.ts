// Story 8: a deployment writes to the database only while its pipeline runs.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';
import { until } from '../../harness/until.ts';

// The steps of a pipeline that goes on writing, whatever becomes of `tasklease run`.
const STEPS = `
set -a; . "$TASKLEASE_DIR/db.env"
while sleep 0.1; do psql -qc "insert into releases values ('$TASKLEASE_TASK')" && echo written || echo refused; done`;

story({
  name: '08-deploy-write',
  promise:
    'a deployment writes releases while its pipeline runs; when the pipeline is killed, what is left of it writes no more',
  tell: async (stage) => {
    const task = `deploy-${stage.round}`;
    const pipeline = stage.script([stage.round, 'sh', '-c', STEPS]);
    await until('it has written', () => pipeline.said.stdout.includes('written'));
    const [, username] = /PGUSER='?([^'\n]+)/.exec(await stage.world.file(task, 'db.env'))!;
    const [, password] = /PGPASSWORD='?([^'\n]+)/.exec(await stage.world.file(task, 'db.env'))!;
    const [login, token] = [{ username: username!, password: password! }, stage.tokenOf(task)];

    for (const beyond of ['select * from users', 'delete from releases', 'drop table releases']) {
      expect(await stage.sql(login, beyond), beyond).toBe('42501');
    }
    await stage.refusedByVault(token, 'GET', 'database/creds/release-admin');
    await stage.refusedByVault(token, 'POST', 'database/roles/release-writer', { db_name: 'app' });
    const start = { profile: 'deploy-write', event: { type: 'pipeline', id: 'acme/shop/other' } };
    const unbound = await stage.api('PUT', `/v1/tasks/${stage.id('unbound')}`, start);
    expectProblem(unbound, 400, 'SIGNAL_INVALID');

    pipeline.child.kill('SIGKILL');
    await pipeline.ended;
    await until('what is left of the pipeline is refused', () => /refused\n$/.test(pipeline.said.stdout));
    expect(await stage.sql(login, `insert into releases values ('after')`)).toMatch(/^28/);
    pipeline.end();
    await stage.isOver(task, 'lost', start);
    await stage.isOnRecord(task, 'pipeline', `acme/shop/${stage.round}`);
    const again = stage.script([stage.round, 'true']);
    expect(await again.ended).toBe(125);
    expect(again.said.stderr).toContain('TASK_SPENT');
  },
});
