// Story 1: an AI agent reads one ticket and calls one internal API in one step of a workflow.
import { expect } from 'vitest';
import { callWith, type MtlsTarget, mtlsTarget } from '../../harness/mtls-target.ts';
import { story } from '../../harness/story.ts';

let api: MtlsTarget;

story({
  name: '01-ticket-agent',
  promise:
    'an AI agent reads its ticket and answers it through the API; other tickets are closed to it, and after the step this one is too',
  prepare: async (stage) => {
    for (const ticket of ['t-412', 't-413']) {
      await stage.admin('POST', `secret/data/tickets/${ticket}`, {
        data: { ticket, text: 'it does not start' },
      });
    }
    // The API of a ticket is for who is named after it.
    api = await mtlsTarget(stage.world.vault, (name, { url }, response) => {
      const own = url?.startsWith(`/tickets/${name.replace('.tickets.internal', '')}/`) === true;
      response.writeHead(own ? 201 : 403).end();
    });
    stage.closers.push(api.close);
  },
  tell: async (stage) => {
    const task = stage.id('answer');
    await stage.start(task);
    const token = stage.tokenOf(task);
    const pem = await stage.world.file(task, 'client.pem');
    const answer = (ticket: string) => callWith(api, pem, 'POST', `/tickets/${ticket}/answers`, 'try again');

    expect(await stage.json(task, 'ticket.json')).toMatchObject({ ticket: 't-412' });
    expect(await answer('t-412')).toMatchObject({ status: 201 });

    expect(await answer('t-413')).toMatchObject({ status: 403 });
    const issue = (role: string, common_name: string) =>
      [token, 'POST', `pki/issue/${role}`, { common_name, ttl: '60s' }] as const;
    expect((await stage.vaultAs(...issue('tickets-api', 't-413.tickets.internal'))).status).toBe(400);
    await stage.refusedByVault(token, 'GET', 'secret/data/tickets/t-413');
    await stage.refusedByVault(token, 'GET', 'secret/metadata/tickets?list=true');
    // What the ticket said before it was changed is not the ticket.
    await stage.refusedByVault(token, 'GET', 'secret/data/tickets/t-412?version=1');
    await stage.refusedByVault(token, 'POST', 'secret/data/tickets/t-412', { data: {} });
    await stage.refusedByVault(...issue('app', 't-413.tickets.internal'));

    await stage.stop(task);
    expect(await answer('t-412')).toMatchObject({
      status: 401,
      text: expect.stringContaining('CERT_REVOKED'),
    });
    expect((await stage.vaultAs(token, 'GET', 'secret/data/tickets/t-412')).status).toBe(403);
    await stage.isOver(task, 'completed');
    await stage.isOnRecord(task, 'workflow_step', 'triage-77/answer');
  },
});
