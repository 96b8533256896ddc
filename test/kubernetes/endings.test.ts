// Tells how the shipped pod ends, and that nothing of it is left in Vault, in PostgreSQL and in the node's volumes,
// however it ends: what the README of deploy/kubernetes says of each ending. The leash is short here; all else is shipped.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../harness/socket-api.ts';
import { until } from '../harness/until.ts';
import { Cluster } from './harness/cluster.ts';
import { ended, works } from './harness/pods.ts';
import { failing, hungry, waiting, working } from './reports.ts';

const LEASH = 15;
/** The leash, and time for a slow machine to notice. */
const WITHIN_LEASH_MS = (LEASH + 60) * 1000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open({ leash: `${LEASH}s` });
});
afterAll(() => cluster?.close());

const NOTHING = { leases: [], tokens: [], roles: [], files: [] };

/** Applies the Job with this script and waits until the report has logged in with its lease. */
async function begin(report: string): Promise<Json> {
  await cluster.apply({ report, leash: `${LEASH}s` });
  const pod = await cluster.untilPod('the report works', works);
  await until('it has logged in', () => cluster.loginOf(pod));
  return pod;
}

const jobFailed = (): Promise<unknown> =>
  until('the Job has failed', async () => (await cluster.get('job', 'report')).status.failed === 1);

describe('nothing is left once the pod has ended', () => {
  afterEach(() => cluster?.removeJob());

  /** What the pod says of its containers when it ends, and what is left in that moment. */
  async function end(): Promise<{ report: Json; agent: Json }> {
    const { status } = await cluster.untilPod('the pod has ended', ended);
    expect(await cluster.left()).toEqual(NOTHING);
    return {
      report: status.containerStatuses[0].state.terminated,
      agent: status.initContainerStatuses[0],
    };
  }

  test('when the report fails', async () => {
    await cluster.apply({ report: failing(7), leash: `${LEASH}s` });
    const { report, agent } = await end();
    expect(report).toMatchObject({ exitCode: 7 });
    expect(agent).toMatchObject({ restartCount: 0, state: { terminated: { exitCode: 0 } } });
    await jobFailed();
  });

  test('when the report is killed for its memory', async () => {
    await cluster.apply({ report: hungry(), leash: `${LEASH}s` });
    const { report } = await end();
    expect(report).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    await jobFailed();
  });

  test('when every process of the report is killed with -9, and it says nothing any more', async () => {
    const pod = await begin(working());
    expect((await cluster.left()).roles).toHaveLength(1);
    expect(cluster.kill9(pod, 'report')).toBe(true);
    expect((await end()).report).toMatchObject({ exitCode: 137 });
    expect(await cluster.facts(pod)).toContainEqual(
      expect.objectContaining({ msg: 'grant.stopping', reason: 'lost' }),
    );
    await jobFailed();
  });

  test('when the pod is deleted, as for an eviction by request or a drained node', async () => {
    const pod = await begin(working());
    await cluster.kubectl('delete', 'pod', pod.metadata.name, '--wait=true');
    expect(await cluster.left()).toEqual(NOTHING);
    await jobFailed();
  });
});

describe('nothing is left within the leash', () => {
  afterEach(() => cluster?.machine.isOn && cluster.removeJob());

  test('when the pod is deleted with grace 0', async () => {
    const pod = await begin(working());
    await cluster.kubectl('delete', 'pod', pod.metadata.name, '--grace-period=0', '--force');
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });

  test('when the kubelet evicts the pod, for a volume that is over its limit', async () => {
    const pod = await begin(working());
    const fill = 'head -c 300M /dev/zero >/var/lib/tasklease/state/filling';
    await cluster.kubectl('exec', pod.metadata.name, '--container', 'agent', '--', 'sh', '-c', fill);
    const { status } = await cluster.untilPod('the pod has ended', ended);
    expect(status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });

  test('when the agent is killed with -9: the report goes on if it is back within 10 s, else it ends with 125', async () => {
    const pod = await begin(waiting());
    expect(cluster.kill9(pod, 'agent')).toBe(true);
    const killedAt = Date.now();
    const back = await until('the agent is back, or the report has ended', async () => {
      const now = await cluster.pod();
      if (ended(now)) return 'too late';
      return (await cluster.facts(now)).find(
        ({ msg, time }) => msg === 'listening' && Date.parse(time) > killedAt,
      );
    });
    const away = back === 'too late' ? Number.POSITIVE_INFINITY : Date.parse(back.time) - killedAt;
    const touch = ['exec', pod.metadata.name, '--container', 'report', '--', 'touch', '/tmp/enough'];
    await cluster.kubectl(...touch).catch((error) => expect(away, error.message).toBeGreaterThan(5_000));
    const { status } = await cluster.untilPod('the pod has ended', ended);
    // On a slow machine the agent may need longer than tasklease.sh waits.
    const { exitCode } = status.containerStatuses[0].state.terminated;
    expect(away < 5_000 ? [0] : [0, 125]).toContain(exitCode);
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });

  test('when the agent is killed whenever it comes back: the report is ended, with 125', async () => {
    const pod = await begin(working());
    const { status } = await cluster.untilPod('the pod has ended', (now) => {
      cluster.kill9(now, 'agent');
      return ended(now);
    });
    const log = await cluster.logs(pod.metadata.name, 'report');
    expect(status.containerStatuses[0].state.terminated, log).toMatchObject({ exitCode: 125 });
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });

  test('when Vault is sealed as the report ends: the files at once, the rest when Vault is back', async () => {
    const pod = await begin(waiting());
    await cluster.vault.seal();
    await cluster.kubectl('exec', pod.metadata.name, '--container', 'report', '--', 'touch', '/tmp/enough');
    await until(
      'the task has no files',
      () => !cluster.secretFiles().some((name) => name.endsWith('db.env')),
    );
    const { status } = await cluster.untilPod('the pod has ended', ended);
    expect(status.containerStatuses[0].state.terminated).toMatchObject({ exitCode: 0 });
    expect(await cluster.logs(pod.metadata.name, 'report')).toContain('revocation of');
    await cluster.vault.unseal();
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });

  // The last one: there is no node afterwards.
  test('when the node is lost: kubelet, containerd and all containers at once', async () => {
    await begin(working());
    await cluster.machine.switchOff();
    const left = await cluster.left();
    // Nobody has told Vault: it is the leash that ends this.
    expect(left.leases).toHaveLength(1);
    expect(left.roles).toHaveLength(1);
    expect(left.files).toEqual([]);
    await cluster.untilNothingLeft(WITHIN_LEASH_MS);
  });
});
