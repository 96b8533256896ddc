// Tells what happens to who applies the shipped manifests as their README says, with only addresses and images changed:
// on a real node, beside a real Vault with the shipped policies and a real PostgreSQL.
import { release } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { standing as profile } from '../containers/profiles.ts';
import type { Json } from '../harness/socket-api.ts';
import { until, untilEmpty } from '../harness/until.ts';
import { Cluster, NAMESPACE } from './harness/cluster.ts';
import { ended, works } from './harness/pods.ts';
import { standing, waiting } from './reports.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open({ leash: '5m' });
});
afterAll(() => cluster?.close());

const NOTHING = { leases: [], tokens: [], roles: [], files: [] };

describe('the shipped Job', () => {
  afterEach(() => cluster?.removeJob());

  test('completes, and its leases are proved gone before its pod is', async () => {
    await cluster.apply();
    const pod = await cluster.untilPod('the pod has ended', ended);
    const left = await cluster.left();
    const log = await cluster.logs(pod.metadata.name, 'report');
    expect(pod.status.phase, log).toBe('Succeeded');
    expect(left).toEqual(NOTHING);
    expect(log).toMatch(/report: v-\S+ sees 30 days of sales/);

    expect(await cluster.facts(pod)).toContainEqual(
      expect.objectContaining({ msg: 'grant.closed', task: pod.metadata.name, outcome: 'completed' }),
    );
    expect(pod.status.initContainerStatuses[0]).toMatchObject({
      restartCount: 0,
      state: { terminated: { exitCode: 0 } },
    });
    await until(
      'the Job is complete',
      async () => (await cluster.get('job', 'report')).status.succeeded === 1,
    );
    await cluster.removeJob();
  });
});

describe('the shipped CronJob', () => {
  afterEach(() => cluster?.removeJob());

  test('starts the same Job when its time comes', async () => {
    await cluster.apply({
      patches: [
        {
          apiVersion: 'batch/v1',
          kind: 'CronJob',
          metadata: { name: 'report' },
          spec: { schedule: '* * * * *' },
        },
      ],
    });
    const made = await until(
      'the CronJob has made a Job',
      async () => {
        const { items } = await cluster.get('jobs');
        return items.find(({ metadata }: Json) => metadata.ownerReferences?.[0]?.kind === 'CronJob');
      },
      120_000,
    );
    await cluster.kubectl('delete', 'cronjob', 'report', '--cascade=orphan');
    const { name } = made.metadata;
    const pod = await cluster.untilPod('its pod has ended', ended, name);
    expect(await cluster.left()).toEqual(NOTHING);
    expect(pod.status.phase).toBe('Succeeded');
    await cluster.removeJob(name);
  });
});

describe('the shipped pod', () => {
  let pod: Json;
  beforeAll(async () => {
    await cluster.apply({ report: waiting() });
    pod = await cluster.untilPod('the report works', works);
    await until('it has logged in', () => cluster.loginOf(pod));
  });
  afterAll(() => cluster?.removeJob());

  const sh = (container: string, script: string): Promise<string> =>
    cluster.kubectl(
      'exec',
      pod.metadata.name,
      '--container',
      container,
      '--',
      'sh',
      '-c',
      `{ ${script}; } 2>&1 || true`,
    );

  test('is admitted where Pod Security is enforced as restricted, and a pod of root’s is not', async () => {
    const namespace = JSON.parse(await cluster.kubectl('get', 'namespace', NAMESPACE, '--output', 'json'));
    expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    const rejected = cluster.kubectl('run', 'root', '--image=localhost/tasklease:test', '--restart=Never');
    await expect(rejected).rejects.toThrow(/violates PodSecurity "restricted/);
  });

  test('runs both containers as users of their own, without capabilities, on roots that they cannot write to', async () => {
    for (const [container, uid] of [
      ['agent', '10001'],
      ['report', '20001'],
    ] as const) {
      const status = await sh(container, 'grep -E "^(Uid|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status');
      expect(status.replace(/\s+/g, ' ').trim()).toBe(
        `Uid: ${uid} ${uid} ${uid} ${uid} CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2`,
      );
      expect(await sh(container, 'echo x >/etc/x')).toContain('Read-only file system');
    }
  });

  test('shows the workload no token, no admin socket, no journal, and no list of tasks', async () => {
    const agents = ['/var/run/secrets', '/run/tasklease-private', '/var/lib/tasklease', '/etc/tasklease'];
    const looked = await sh('report', `ls -d ${agents.join(' ')}; command -v node`);
    expect(looked.match(/No such file/g)).toHaveLength(agents.length);
    expect(await sh('report', 'touch /run/tasklease-tasks/x /run/tasklease/x')).toMatch(
      /(?:Read-only file system[\s\S]*){2}/,
    );
    expect(await sh('agent', 'ls /var/run/secrets/tasklease /run/tasklease-private/agent')).toContain(
      'admin.sock',
    );
  });

  test('keeps the task’s files in memory, out of reach of swap where the kernel can', async () => {
    const mounts = await sh('report', 'grep " /run/tasklease-tasks " /proc/mounts');
    expect(mounts).toMatch(/^tmpfs .*\bsize=16384k\b/);
    const [major = 0, minor = 0] = release().split('.').map(Number);
    if (major > 6 || (major === 6 && minor >= 4)) expect(mounts).toMatch(/\bnoswap\b/);
    expect(await sh('agent', 'grep -c " /run/tasklease-private tmpfs " /proc/mounts')).toBe('1\n');
  });

  test('ends with its leases when the report is done', async () => {
    expect((await cluster.left()).leases).toHaveLength(1);
    await sh('report', 'touch /tmp/enough');
    const { status } = await cluster.untilPod('the pod has ended', ended);
    expect(await cluster.left()).toEqual(NOTHING);
    expect(status.phase).toBe('Succeeded');
    await untilEmpty('the node keeps no memory of it', async () => cluster.volumes());
  });
});

describe('an agent that is killed with -9', () => {
  afterEach(() => cluster?.removeJob());

  test('comes back beside the report with the volumes it had, and takes the task over', async () => {
    // Without tasklease.sh run, which waits for the agent for 10 s: how soon it is back is no matter here.
    const container = { name: 'report', command: ['sh', '/report/report.sh'], args: [] };
    const spec = { template: { spec: { containers: [container] } } };
    await cluster.apply({
      report: standing(),
      profiles: { standing: profile() },
      patches: [{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'report' }, spec }],
    });
    const pod = await cluster.untilPod('the report works', works);
    const login = await until('it has logged in', () => cluster.loginOf(pod));
    const volumes = cluster.volumes();
    expect(cluster.kill9(pod, 'agent')).toBe(true);
    await cluster.untilPod('the agent is back', ({ status }) => {
      const [agent] = status.initContainerStatuses;
      return agent.restartCount === 1 && agent.started;
    });
    expect(cluster.volumes()).toEqual(volumes);
    expect((await cluster.left()).roles).toEqual([login]);

    await cluster.kubectl('exec', pod.metadata.name, '--container', 'report', '--', 'touch', '/tmp/enough');
    const { status } = await cluster.untilPod('the pod has ended', ended);
    expect(await cluster.left()).toEqual(NOTHING);
    const log = await cluster.logs(pod.metadata.name, 'report');
    expect(status.phase, log).toBe('Succeeded');
    expect(log).toContain(`again ${login}`);
    expect(log).toMatch(/"outcome":"completed".*"proof":"revoked"/);
  });
});
