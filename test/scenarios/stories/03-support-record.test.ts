// Story 3: a support bot reads one customer's record, after somebody has approved exactly that.
import { expect } from 'vitest';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';

story({
  name: '03-support-record',
  promise:
    'a support bot reads one record after a person said yes; the neighbour’s stays closed, and the yes is good for once',
  prepare: async (stage) => {
    for (const customer of ['c-1042', 'c-1043']) {
      await stage.admin('POST', `secret/data/customers/${customer}`, { data: { customer } });
    }
  },
  tell: async (stage) => {
    const task = stage.id('case');
    const asked = await stage.put(task);
    expect(asked).toMatchObject({ status: 202, body: { state: 'pending_approval', dir: null } });
    expect(await stage.world.taskTokens()).toEqual([]);
    const { digest, scope } = asked.body.approval;
    expect(scope.secrets).toMatchObject([{ path: 'secret/data/customers/c-1042' }]);

    // The bot cannot approve itself, nor the person something else than was asked for.
    const word = `/v1/tasks/${task}/approval`;
    expectProblem(await stage.api('POST', word, { approve: true, digest }), 403, 'ADMIN_ONLY');
    const other = await stage.world.admin('POST', word, { approve: true, digest: '0'.repeat(64) });
    expect(other.status).toBeGreaterThanOrEqual(400);
    const yes = await stage.world.admin('POST', word, { approve: true, digest, reason: 'CASE-88 is ours' });
    expect(yes.status, yes.text).toBe(200);
    expect((await stage.put(task)).body).toMatchObject({ state: 'active', files: ['record.json'] });
    expect(await stage.json(task, 'record.json')).toEqual({ customer: 'c-1042' });

    const token = stage.tokenOf(task);
    await stage.refusedByVault(token, 'GET', 'secret/data/customers/c-1043');
    await stage.refusedByVault(token, 'GET', 'secret/metadata/customers?list=true');
    await stage.refusedByVault(token, 'GET', 'secret/data/customers/c-1042?version=1');
    await stage.refusedByVault(token, 'DELETE', 'secret/data/customers/c-1042');
    await stage.refusedByVault(token, 'POST', 'auth/token/create', {
      policies: [stage.files.kinds[0]!.policy],
    });

    await stage.stop(task);
    expect((await stage.vaultAs(token, 'GET', 'secret/data/customers/c-1042')).status).toBe(403);
    const receipt = await stage.isOver(task, 'completed');
    expect(receipt.approval).toMatchObject({ digest, given: [{ uid: 0, reason: 'CASE-88 is ours' }] });
    await stage.isOnRecord(task, 'support_case', 'CASE-88');

    // Later, under another name, the same record needs another yes.
    const later = stage.id('later');
    expect(await stage.put(later)).toMatchObject({ status: 202, body: { state: 'pending_approval' } });
    expect(await stage.world.taskTokens()).toEqual([]);
    await stage.stop(later);
  },
});
