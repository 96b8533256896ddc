// Story 9: an integration of somebody else reads one dataset, for one sync.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';
import { until } from '../../harness/until.ts';

story({
  name: '09-sync-dataset',
  promise:
    'a partner’s sync reads one dataset and nothing beside it, and its login is dead when the sync’s time is over, whether it stops or not',
  tell: async (stage) => {
    const task = stage.id('sync');
    await stage.start(task);
    const [login, token] = [await stage.json(task, 'db.json'), stage.tokenOf(task)];
    expect(await stage.sql(login, 'select * from orders_eu')).toBe('done');

    for (const beyond of ['select * from orders_us', 'select * from sold', 'delete from orders_eu']) {
      expect(await stage.sql(login, beyond), beyond).toBe('42501');
    }
    await stage.refusedByVault(token, 'GET', 'database/creds/orders-us');
    await stage.refusedByVault(token, 'GET', 'database/roles?list=true');
    await stage.stop(task);
    expect(await stage.sql(login, 'select * from orders_eu')).toMatch(/^28/);
    await stage.isOver(task, 'completed');
    await stage.isOnRecord(task, 'sync', 'partner-7/2026-11-28T06');

    // One that never stops.
    const endless = stage.id('endless');
    const event = { type: 'sync', id: 'partner-7/2026-11-28T07' };
    await stage.start(endless, { duration: '6s', event });
    const [left] = stage.issuedTo(endless);
    await until('its login is refused', async () =>
      /^28/.test(await stage.sql(left!, 'select * from orders_eu')),
    );
    await stage.isOver(endless, 'expired', { duration: '6s', event });
    await stage.isOnRecord(endless, 'sync', event.id);
  },
});
