// Story 7: a data migration changes one schema, while the database's administrator is out of its reach.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';

story({
  name: '07-migration',
  promise:
    'a migration changes its schema, comes to no other and to no administrator, and what it made stays when its login is gone',
  prepare: async (stage) => {
    await stage.admin('POST', 'secret/data/admin/app', { data: { password: 'only for administrators' } });
  },
  tell: async (stage) => {
    const task = stage.id('migrate');
    await stage.start(task);
    const [login, token] = [await stage.json(task, 'db.json'), stage.tokenOf(task)];
    const column = `paid_${stage.round.replaceAll('-', '_')}`;
    expect(await stage.sql(login, `alter table shop.orders add column ${column} boolean`)).toBe('done');
    expect(await stage.sql(login, `create table shop.made_${column} (id int)`)).toBe('done');

    for (const beyond of [
      'select * from billing.invoices',
      'create role boss superuser login',
      'select * from pg_authid',
      'create schema another',
      `alter role "${login.username}" superuser`,
    ]) {
      expect(await stage.sql(login, beyond), beyond).toBe('42501');
    }
    await stage.refusedByVault(token, 'GET', 'database/creds/shop-admin');
    await stage.refusedByVault(token, 'GET', 'database/config/app');
    await stage.refusedByVault(token, 'GET', 'secret/data/admin/app');
    await stage.refusedByVault(token, 'GET', 'database/roles/shop-migrator');

    await stage.stop(task);
    expect(await stage.sql(login, 'select 1')).toMatch(/^28/);
    expect((await stage.vaultAs(token, 'GET', 'database/creds/shop-migrator')).status).toBe(403);
    const made = await stage.world.postgres.query('select tableowner from pg_tables where tablename = $1', [
      `made_${column}`,
    ]);
    expect(made).toEqual([{ tableowner: 'shop_owner' }]);
    await stage.isOver(task, 'completed');
    await stage.isOnRecord(task, 'change', 'CHG-310');
  },
});
