// Tells what an agent in a container says of volumes: which it works on, and what it answers, in one sentence with what
// to do, to each that is mounted wrongly. A wrong one is found before anything is leased, so no Vault is asked.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { untilEmpty } from '../harness/until.ts';
import { Deployment } from './deployment.ts';
import { standing } from './profiles.ts';

const EX_CONFIG = 78;
const SECRETS = '/run/tasklease-tasks';
const PRIVATE = '/run/tasklease-private';

const tmpfs = (o: string) => ({ driver: 'local', driver_opts: { type: 'tmpfs', device: 'tmpfs', o } });

describe('a volume that is mounted wrongly', () => {
  let box: Deployment;
  beforeAll(async () => {
    box = await Deployment.open({
      overlay: ({ volumes }) => {
        volumes.disk = {};
        volumes.foreign = tmpfs('mode=0711,uid=20001,gid=20001');
      },
    });
  }, 900_000);
  afterAll(() => box?.close());

  /** The agent, with this over the shipped file; it has to refuse. */
  async function refusal(...volumes: string[]): Promise<string> {
    box.lay(({ services }) => services.agent.volumes.push(...volumes));
    const { code, stderr, stdout } = await box.tryCompose('run', '-T', '--rm', '--no-deps', 'agent');
    const said = `${stdout}${stderr}`;
    expect(code, said).toBe(EX_CONFIG);
    return said;
  }

  test('the secrets’, on a disk', async () => {
    expect(await refusal(`disk:${SECRETS}`)).toContain(
      `secrets_dir: ${SECRETS} is not on tmpfs or ramfs, so secrets would reach a disk\n  next: mount -t tmpfs`,
    );
  });

  test('the secrets’, of somebody else', async () => {
    expect(await refusal(`foreign:${SECRETS}`)).toContain(
      `secrets_dir: ${SECRETS} belongs to uid 20001\n  next: chown`,
    );
  });

  test('the secrets’, read-only for the agent', async () => {
    expect(await refusal(`secrets:${SECRETS}:ro`)).toContain(
      `secrets_dir: ${SECRETS} is read-only\n  next: mount it`,
    );
  });

  test('the private one, on a disk', async () => {
    expect(await refusal(`disk:${PRIVATE}`)).toContain(
      `runtime_dir: ${PRIVATE} is not on tmpfs or ramfs, so the session token would reach a disk\n  next: give`,
    );
  });

  test('the private one, which is the socket’s and so the workload’s', async () => {
    expect(await refusal(`socket:${PRIVATE}`)).toContain(
      `runtime_dir: ${PRIVATE} is the directory of socket.path, which workloads see\n  next: give`,
    );
  });

  test('the private one, inside the socket’s, which the workload mounts whole', async () => {
    box.configure((config) => {
      config.runtime_dir = '/run/tasklease/private';
    });
    expect(await refusal()).toContain(
      'runtime_dir: /run/tasklease/private is on the volume of socket.path, which workloads see\n  next: give',
    );
  });
});

describe('volume roots of root’s that everybody may write to, as Kubernetes hands them out', () => {
  /** Where the image has nothing: Podman gives a new volume the owner and mode of the directory that it covers. */
  const HANDED = '/mnt/secrets';
  let box: Deployment;
  beforeAll(async () => {
    box = await Deployment.open({
      socket: '/mnt/socket/agent.sock',
      profiles: { standing: standing() },
      configure: (config) => {
        config.secrets_dir = HANDED;
      },
      overlay: ({ services, volumes }) => {
        volumes.handed = tmpfs('nr_blocks=4k,mode=0777,uid=0,gid=0');
        volumes.door = tmpfs('nr_blocks=256,mode=0777,uid=0,gid=0');
        services.agent.volumes.push(`handed:${HANDED}`, 'door:/mnt/socket');
        services.agent.environment = { TASKLEASE_SOCKET: '/mnt/socket/agent.sock' };
        services.workload = {
          volumes: [`handed:${HANDED}:ro`, 'door:/mnt/socket:ro', `private:${PRIVATE}:ro`],
        };
      },
    });
    await box.up();
    await box.startWorkload();
  }, 900_000);
  afterAll(() => box?.close());

  test('get a directory of the agent’s inside, where the workload’s group reads', async () => {
    const { dir } = await startTask(box, 'inside', 'standing');
    expect(dir).toBe(`${HANDED}/tasklease/inside/current`);
    expect(await box.sh(`stat -c '%a %u:%g' ${HANDED} ${HANDED}/tasklease`)).toBe('777 0:0\n750 10001:10001');
    const login = JSON.parse(await box.sh(`cat ${dir}/db.json`));
    expect(await box.canLogin(login)).toBe(true);
    expectProved(await stopTask(box, 'inside'), 1);
    expect(await box.canLogin(login)).toBe(false);
    await untilEmpty('Vault’s leases', () => box.vaultLeases());
  });

  test('and the private directory shows a workload that mounts it neither its names nor the admin socket', async () => {
    for (const look of [`ls ${PRIVATE}`, `cat ${PRIVATE}/session-token`]) {
      const { stdout, stderr } = await box.exec('workload', ['sh', '-c', look]);
      expect({ stdout, stderr }).toEqual({
        stdout: '',
        stderr: expect.stringContaining('Permission denied'),
      });
    }
    const dialled = ['curl', '-sS', '--unix-socket', `${PRIVATE}/admin.sock`, 'http://tasklease/v1/health'];
    expect(await box.exec('workload', dialled)).toMatchObject({ code: 7, stdout: '' });
  });
});
