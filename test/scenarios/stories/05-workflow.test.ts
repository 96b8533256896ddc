// Story 5: a workflow engine gives each step a credential of its own, and ends all of them with the workflow.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';

story({
  name: '05-workflow',
  promise:
    'each step of a workflow has its own credential and scope under its own event, and the end of the workflow is the end of all',
  prepare: async (stage) => {
    await stage.admin('POST', 'secret/data/workflows/nightly', { data: { into: 'warehouse' } });
    await stage.admin('POST', 'secret/data/workflows/hourly', { data: { into: 'elsewhere' } });
  },
  tell: async (stage) => {
    const [parent, extract, load] = ['workflow', 'extract', 'load'].map(stage.id) as [string, string, string];
    await stage.start(parent);
    await stage.start(extract, { parent }, 'workflow-extract');
    await stage.start(load, { parent }, 'workflow-load');
    const [source, warehouse] = [
      await stage.json(extract, 'source.json'),
      await stage.json(load, 'warehouse.json'),
    ];
    expect(await stage.json(parent, 'settings.json')).toEqual({ into: 'warehouse' });
    expect(await stage.sql(source, 'select * from orders')).toBe('done');
    expect(await stage.sql(warehouse, 'insert into warehouse values (1, 10)')).toBe('done');

    for (const beyond of ['insert into orders values (3, 30)', 'insert into warehouse values (1, 1)']) {
      expect(await stage.sql(source, beyond), beyond).toBe('42501');
    }
    for (const beyond of ['select * from orders', 'select * from warehouse', 'delete from warehouse']) {
      expect(await stage.sql(warehouse, beyond), beyond).toBe('42501');
    }
    const [whole, first, second] = [parent, extract, load].map((task) => stage.tokenOf(task)) as [
      string,
      string,
      string,
    ];
    await stage.refusedByVault(whole, 'GET', 'database/creds/orders-reader');
    await stage.refusedByVault(whole, 'GET', 'secret/data/workflows/hourly');
    await stage.refusedByVault(first, 'GET', 'database/creds/warehouse-writer');
    await stage.refusedByVault(second, 'GET', 'database/creds/orders-reader');
    for (const step of [first, second])
      await stage.refusedByVault(step, 'GET', 'secret/data/workflows/nightly');
    const grandchild = await stage.put(stage.id('grandchild'), { parent: extract }, 'workflow-load');
    expectProblem(grandchild, 403, 'PROFILE_DENIED');

    // A step that is done is over while the workflow goes on; then the workflow ends what is left.
    await stage.stop(extract);
    expect(await stage.sql(source, 'select * from orders')).toMatch(/^28/);
    expect(await stage.sql(warehouse, 'insert into warehouse values (2, 20)')).toBe('done');
    await stage.isOver(extract, 'completed', { parent }, 'workflow-extract');
    await stage.stop(parent);
    await stage.isOver(parent, 'completed');
    await stage.isOver(load, 'completed', { parent }, 'workflow-load');
    expect(await stage.sql(warehouse, 'insert into warehouse values (3, 30)')).toMatch(/^28/);
    await stage.isOnRecord(parent, 'workflow', 'nightly/2026-11-28');
    await stage.isOnRecord(extract, 'workflow_step', 'nightly/2026-11-28/extract');
    await stage.isOnRecord(load, 'workflow_step', 'nightly/2026-11-28/load');
  },
});
