// Tells whom Vault lets in as an agent of a cluster: the shipped account with a token for Vault, while its pod lives, as
// the cluster's API server says when Vault asks it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VaultReply } from '../../src/dev/vault-server.ts';
import { until } from '../harness/until.ts';
import { Cluster } from './harness/cluster.ts';
import { works } from './harness/pods.ts';
import { working } from './reports.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open({ leash: '5m' });
  await cluster.apply({ report: working() });
  await cluster.untilPod('the report works', works);
});
afterAll(() => cluster?.close());

const token = (account: string, ...options: string[]): Promise<string> =>
  cluster.kubectl('create', 'token', account, ...options);

const login = (jwt: string): Promise<VaultReply> =>
  cluster.vault.request('POST', 'auth/kubernetes/login', { role: 'tasklease-agent', jwt }, '');

describe('Vault’s login for a cluster', () => {
  test('gives the shipped account a token that may only make the agent’s session', async () => {
    const { status, body } = await login(await token('tasklease', '--audience=vault'));
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body.auth).toMatchObject({ policies: ['tasklease-login'] });
    const read = await cluster.vault.request(
      'GET',
      'database/creds/report',
      undefined,
      body.auth!.client_token,
    );
    expect(read.status).toBe(403);
    await cluster.vault.request('POST', 'auth/token/revoke-self', {}, body.auth!.client_token);
  });

  test('refuses a token of another account', async () => {
    expect((await login(await token('default', '--audience=vault'))).status).toBe(403);
  });

  test('refuses a token of the account that is meant for somebody else', async () => {
    for (const options of [[], ['--audience=elsewhere']]) {
      expect((await login(await token('tasklease', ...options))).status).toBe(403);
    }
  });

  test('refuses a token that nobody signed', async () => {
    const good = await token('tasklease', '--audience=vault');
    const forged = `${good.trim().slice(0, -8)}AAAAAAAA`;
    expect((await login(forged)).status).toBe(403);
  });

  test('refuses a token that a pod took along, once the pod is gone', async () => {
    const { metadata } = await cluster.pod();
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${metadata.name}`];
    const taken = await token('tasklease', '--audience=vault', ...bound);
    expect((await login(taken)).status).toBe(200);
    await cluster.removeJob();
    await until('Vault refuses it', async () => (await login(taken)).status === 403);
  });
});

describe('an agent under another account', () => {
  test('is not ready and says why, and the report is not started', async () => {
    const spec = { template: { spec: { serviceAccountName: 'default' } } };
    await cluster.apply({
      report: working(),
      patches: [{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'report' }, spec }],
    });
    const pod = await cluster.untilPod('the agent runs', ({ status }) => {
      return status.initContainerStatuses?.[0]?.state?.running;
    });
    const health = await until('its probe says why', async () => {
      const probe = ['sh', '-c', 'tasklease health 2>&1 || true'];
      const said = await cluster.kubectl('exec', pod.metadata.name, '--container', 'agent', '--', ...probe);
      if (said.includes('VAULT_DENIED')) return said;
      throw new Error(said);
    });
    expect(health).toContain('service account name not authorized');
    const { status } = await cluster.pod();
    expect(status.initContainerStatuses[0]).toMatchObject({ ready: false, started: false });
    expect(status.containerStatuses[0].state).toHaveProperty('waiting');
    await cluster.removeJob();
  });
});
