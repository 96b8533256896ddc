// Story 4: somebody on call reads the logs and the runbook of one service until the incident is closed.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';

const HOUR_MS = 3_600_000;

story({
  name: '04-incident',
  promise:
    'who is on call reads one service’s logs and runbook, for longer when that is needed, until the incident is closed',
  prepare: async (stage) => {
    for (const service of ['payments', 'search']) {
      await stage.admin('POST', `secret/data/runbooks/${service}`, { data: { first: `look at ${service}` } });
    }
  },
  tell: async (stage) => {
    const task = stage.id('on-call');
    const { deadline } = await stage.start(task);
    const [login, token] = [await stage.json(task, 'logs.json'), stage.tokenOf(task)];
    expect(await stage.sql(login, 'select * from logs_payments')).toBe('done');
    expect(await stage.json(task, 'runbook.json')).toEqual({ first: 'look at payments' });

    expect(await stage.sql(login, 'select * from logs_search')).toBe('42501');
    expect(await stage.sql(login, 'select * from logs')).toBe('42501');
    expect(await stage.sql(login, 'delete from logs_payments')).toBe('42501');
    await stage.refusedByVault(token, 'GET', 'database/creds/logs-search');
    await stage.refusedByVault(token, 'GET', 'secret/data/runbooks/search');
    await stage.refusedByVault(token, 'GET', 'database/creds/logs-payments/more');

    const longer = await stage.api('POST', `/v1/tasks/${task}/extend`, { duration: '6h' });
    expect(longer.status, longer.text).toBe(200);
    expect(Date.parse(longer.body.deadline) - Date.parse(deadline)).toBeGreaterThan(5 * HOUR_MS);
    expect(Date.parse(longer.body.deadline)).toBeLessThan(Date.now() + 25 * HOUR_MS);
    expect(await stage.sql(login, 'select 1')).toBe('done');

    // Another incident is not its business.
    const other = stage.id('other');
    await stage.start(other, { params: { service: 'search' }, event: { type: 'incident', id: 'INC-2042' } });
    const closed = await stage.cli(['stop', '--event', 'incident:INC-2041', '--wait', '60s']);
    expect(closed, closed.stderr).toMatchObject({ code: 0 });
    expect(await stage.sql(login, 'select 1')).toMatch(/^28/);
    expect((await stage.vaultAs(token, 'GET', 'secret/data/runbooks/payments')).status).toBe(403);
    await stage.isOver(task, 'completed');
    await stage.isOnRecord(task, 'incident', 'INC-2041');
    expect(await stage.sql(await stage.json(other, 'logs.json'), 'select * from logs_search')).toBe('done');
    await stage.stop(other);
    await stage.isOnRecord(other, 'incident', 'INC-2042');
  },
});
