// Tells what becomes of tokens that Vault's kubernetes engine gives to tasks, at a real API server: those of accounts that
// are made for one task end with it; those of an account that is there anyway live to their own end, and nobody says
// otherwise.
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CYCLES, engineWorld } from '../engines/engine-world.ts';
import { administer } from '../harness/administer.ts';
import { run } from '../harness/servers/run.ts';
import { expectProblem, expectProved, startTask, stopTask } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { API_SERVER, type ControlPlane, startControlPlane } from './harness/control-plane.ts';
import { type Machine, startMachine } from './harness/machine.ts';
import { nodePrograms } from './harness/programs.ts';

const ALL = '"create", "update", "delete"';
/** What Vault's own pages ask for: https://developer.hashicorp.com/vault/docs/secrets/kubernetes */
const SETUP = `
{ apiVersion: v1, kind: Namespace, metadata: { name: team } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: neighbour } }
---
{ apiVersion: v1, kind: ServiceAccount, metadata: { name: vault, namespace: kube-system } }
---
{ apiVersion: v1, kind: ServiceAccount, metadata: { name: reader, namespace: team } }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: vault-secrets }
rules:
  - { apiGroups: [""], resources: ["serviceaccounts", "serviceaccounts/token"], verbs: [${ALL}] }
  - { apiGroups: ["rbac.authorization.k8s.io"], resources: ["rolebindings", "clusterrolebindings"], verbs: [${ALL}] }
  - { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "clusterroles"], verbs: ["bind", "escalate", ${ALL}] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: vault-secrets }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: vault-secrets }
subjects: [{ kind: ServiceAccount, name: vault, namespace: kube-system }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: reader, namespace: team }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [{ kind: ServiceAccount, name: reader, namespace: team }]
`;
const RULES = 'rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }]';

let machine: Machine;
let plane: ControlPlane;
let world: World;
let scratch: string;
let kubectl: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tasklease-tokens-'));
  const programs = await nodePrograms();
  ({ kubectl } = programs);
  machine = await startMachine();
  plane = await startControlPlane(machine, programs);
  await until('the namespaces are there', () => plane.kubectl(['apply', '--filename', '-'], SETUP));
  const certificate = join(machine.directory, 'api', 'apiserver.crt');
  const creds = (role: string, more = {}) => ({
    path: `kubernetes/creds/${role}`,
    method: 'write',
    ttl_field: 'ttl',
    body: { kubernetes_namespace: 'team' },
    files: {
      config: { format: 'kubeconfig', server: API_SERVER, ca_file: certificate },
      'secret.json': { format: 'json' },
    },
    ...more,
  });
  world = await engineWorld('path "kubernetes/creds/*" { capabilities = ["update"] }', {
    generated: creds('generated'),
    bound: creds('bound'),
    fixed: creds('fixed', { revoke: 'none' }),
  });
  await administer(world, 'POST', 'sys/mounts/kubernetes', { type: 'kubernetes' });
  const account = ['create', 'token', 'vault', '--namespace=kube-system', '--duration=2h'];
  await administer(world, 'POST', 'kubernetes/config', {
    kubernetes_host: API_SERVER,
    kubernetes_ca_cert: await readFile(certificate, 'utf8'),
    service_account_jwt: (await plane.kubectl(account)).trim(),
    disable_local_ca_jwt: true,
  });
  const allowed = { allowed_kubernetes_namespaces: ['team'], token_max_ttl: '2h' };
  await administer(world, 'POST', 'kubernetes/roles/generated', { ...allowed, generated_role_rules: RULES });
  await administer(world, 'POST', 'kubernetes/roles/bound', {
    ...allowed,
    kubernetes_role_name: 'view',
    kubernetes_role_type: 'ClusterRole',
  });
  await administer(world, 'POST', 'kubernetes/roles/fixed', { ...allowed, service_account_name: 'reader' });
});

afterAll(async () => {
  await world?.close();
  await machine?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** What the API server says to whoever has this kubeconfig and asks for the pods of a namespace. */
const podsOf = async (namespace: string, config: string): Promise<'works' | 'forbidden' | 'unauthorized'> => {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const { code, stdout, stderr } = await run(kubectl, ['--kubeconfig', config, 'get', '--raw', path], {
    env: { HOME: scratch },
  });
  if (code === 0 && JSON.parse(stdout).kind === 'PodList') return 'works';
  if (stderr.includes('(Forbidden)')) return 'forbidden';
  if (stderr.includes('(Unauthorized)') || stderr.includes('must be logged in')) return 'unauthorized';
  throw new Error(`kubectl ended with ${code}: ${stderr}`);
};

/** Accounts, roles and bindings of the namespace that were made for somebody. */
const made = async (): Promise<string[]> => {
  const kinds = 'serviceaccounts,roles,rolebindings';
  const names = await plane.kubectl(['--namespace=team', 'get', kinds, '--output=name']);
  return names.split('\n').filter((name) => name !== '' && !/\/(default|reader)$/.test(name));
};

const copyOf = async (task: string, config: string): Promise<string> => {
  const copy = join(scratch, `${task}.config`);
  await copyFile(config, copy);
  return copy;
};

describe.each(['generated', 'bound'])('a token of an account that is made for the task (%s)', (profile) => {
  test(`works for what its role says, ${CYCLES} times, and for nobody once the task is stopped`, async () => {
    const copies: string[] = [];
    for (let n = 1; n <= CYCLES; n += 1) {
      const task = `${profile}-${n}`;
      const { dir, leases } = await startTask(world, task, profile);
      expect(leases).toMatchObject([{ revocable: true }]);
      const config = join(dir, 'config');
      expect(await podsOf('team', config), task).toBe('works');
      expect(await podsOf('neighbour', config), task).toBe('forbidden');
      expect((await made()).join()).toContain('serviceaccount/');
      copies.push(await copyOf(task, config));
      expectProved(await stopTask(world, task), 1);
      expect(await made(), `accounts, roles and bindings after ${task}`).toEqual([]);
    }
    // The API server remembers for ten seconds whom it let in.
    for (const copy of copies) {
      const refused = async () => (await podsOf('team', copy)) === 'unauthorized';
      await until(`the token in ${copy} is refused`, refused, 60_000);
    }
    await world.untilNothingLeft();
  });
});

describe('a token of an account that is there anyway', () => {
  test('has a lease that ends nothing: it lives to its own end, which start and receipt name', async () => {
    const { dir, leases, deadline } = await startTask(world, 'fixed', 'fixed');
    expect(leases).toMatchObject([{ revocable: false }]);
    const config = join(dir, 'config');
    expect(await podsOf('team', config)).toBe('works');
    const { service_account_token: token } = JSON.parse(await world.file('fixed', 'secret.json'));
    const { exp } = JSON.parse(Buffer.from(String(token).split('.')[1]!, 'base64url').toString());
    expect(Math.abs(exp * 1000 - Date.parse(deadline))).toBeLessThan(5000);
    const copy = await copyOf('fixed', config);
    const receipt = await stopTask(world, 'fixed');
    expect(receipt.leases).toMatchObject([{ proof: 'expires', ended_at: null }]);
    expect(Math.abs(Date.parse(receipt.leases[0].ends_at) - exp * 1000)).toBeLessThan(5000);
    expect(await podsOf('team', copy)).toBe('works');
    await world.untilNothingLeft();
  });
});

test('a task shorter than the ten minutes that Kubernetes gives at least fails, with what Kubernetes says', async () => {
  const reply = await world.api('PUT', '/v1/tasks/short', { profile: 'generated', duration: '1m' });
  // Vault answers 500, as it does when its engine is out of reach.
  const { detail } = expectProblem(reply, 503, 'VAULT_UNREACHABLE');
  expect(detail).toContain('expirationSeconds');
  // What Vault had made by then, account, role and binding, it leaves: nobody has a token of it.
  await world.untilNothingLeft();
});
