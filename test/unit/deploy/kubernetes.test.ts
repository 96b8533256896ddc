// Reads deploy/kubernetes: what it must have for the promises to hold, and that its README says what is so. That it runs
// is told by test/kubernetes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const yaml = <T>(path: string): T => parse(read(`deploy/kubernetes/${path}`)) as T;

type Container = {
  name: string;
  image: string;
  restartPolicy?: string;
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  resources: { limits: { memory: string } };
  startupProbe?: { exec: { command: string[] } };
  readinessProbe?: { exec: { command: string[] } };
  livenessProbe?: unknown;
};
type Volume = {
  name: string;
  emptyDir?: { medium?: string; sizeLimit: string };
  projected?: { sources: { serviceAccountToken: Record<string, unknown> }[] };
};
type Pod = {
  restartPolicy: string;
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  shareProcessNamespace: boolean;
  terminationGracePeriodSeconds: number;
  securityContext: Record<string, unknown>;
  initContainers: Container[];
  containers: Container[];
  volumes: Volume[];
};
type Agent = {
  vault: { auth: Record<string, string>; session_role: string; token_role: string };
  socket: { path: string };
  runtime_dir: string;
  secrets_dir: string;
  state_dir: string;
  profiles_dir: string;
  stop_timeout: string;
};

const job = yaml<{ spec: { backoffLimit: number; template: { spec: Pod } } }>('base/job.yaml');
const pod = job.spec.template.spec;
const [agent] = pod.initContainers as [Container];
const [report] = pod.containers as [Container];
const settings = yaml<Agent>('base/agent.yaml');
const readme = read('deploy/kubernetes/README.md');

const mountOf = (container: Container, volume: string) =>
  container.volumeMounts.find(({ name }) => name === volume);
const volume = (name: string): Volume => pod.volumes.find((each) => each.name === name)!;

describe('the pod', () => {
  test('has the agent as a native sidecar, and starts the report only once that is ready', () => {
    expect(pod.initContainers.map(({ name }) => name)).toEqual(['agent']);
    expect(agent.restartPolicy).toBe('Always');
    expect(agent.startupProbe!.exec.command).toEqual(['tasklease', 'health']);
    expect(agent.readinessProbe!.exec.command).toEqual(['tasklease', 'health']);
    expect(agent.livenessProbe).toBeUndefined(); // an agent that waits for Vault must not be killed for it
  });

  test('is as Pod Security’s "restricted" demands, and more', () => {
    expect(pod.securityContext).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const container of [agent, report]) {
      expect(container.securityContext).toMatchObject({
        runAsGroup: 10_001,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources.limits.memory).toMatch(/^\d+Mi$/);
    }
    expect([agent, report].map(({ securityContext }) => securityContext.runAsUser)).toEqual([10_001, 20_001]);
    expect(pod.shareProcessNamespace).toBe(false);
    const labels = yaml<{ metadata: { labels: Record<string, string> } }>('base/namespace.yaml').metadata
      .labels;
    expect(labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
  });

  test('has one token, for Vault, which only the agent sees', () => {
    expect(pod.automountServiceAccountToken).toBe(false);
    const [source] = volume('vault-token').projected!.sources;
    expect(source!.serviceAccountToken).toMatchObject({ audience: 'vault', path: 'token' });
    expect(settings.vault.auth.token_file).toBe(`${mountOf(agent, 'vault-token')!.mountPath}/token`);
  });

  test('keeps from the report what is the agent’s, and lets it change nothing', () => {
    const shared = report.volumeMounts.filter(({ name }) => mountOf(agent, name) !== undefined);
    expect(shared).toEqual([
      { name: 'socket', mountPath: '/run/tasklease', readOnly: true },
      { name: 'secrets', mountPath: '/run/tasklease-tasks', readOnly: true },
    ]);
    for (const { name, mountPath } of shared) expect(mountOf(agent, name)!.mountPath).toBe(mountPath);
  });

  test('holds secrets, socket and the agent’s private directory in memory', () => {
    for (const name of ['secrets', 'socket', 'private', 'tmp']) {
      expect(volume(name).emptyDir).toMatchObject({ medium: 'Memory', sizeLimit: expect.any(String) });
    }
  });

  test('agrees with agent.yaml, and the agent’s own directories are below a volume’s root', () => {
    expect(settings.secrets_dir).toBe(mountOf(agent, 'secrets')!.mountPath);
    expect(settings.profiles_dir).toBe(mountOf(agent, 'profiles')!.mountPath);
    expect(settings.socket.path).toBe(`${mountOf(agent, 'socket')!.mountPath}/agent.sock`);
    expect(settings.runtime_dir).toMatch(new RegExp(`^${mountOf(agent, 'private')!.mountPath}/\\w+$`));
    expect(settings.state_dir).toMatch(new RegExp(`^${mountOf(agent, 'state')!.mountPath}/\\w+$`));
  });

  test('is given time to prove: the client’s 30 s, with the agent’s stop_timeout in them or after', () => {
    const stop = Number.parseInt(settings.stop_timeout, 10);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(30 + stop);
  });

  test('is the CronJob’s too', () => {
    const cron = yaml<{ spec: { jobTemplate: { spec: object } } }>('base/cronjob.yaml');
    expect(cron.spec.jobTemplate.spec).toEqual({ backoffLimit: job.spec.backoffLimit, template: {} });
    expect(yaml<{ replacements: object[] }>('base/kustomization.yaml').replacements).toEqual([
      {
        source: { kind: 'Job', name: 'report', fieldPath: 'spec.template' },
        targets: [
          {
            select: { kind: 'CronJob', name: 'report' },
            fieldPaths: ['spec.jobTemplate.spec.template'],
          },
        ],
      },
    ]);
  });
});

describe('the kustomizations', () => {
  test('name only files that exist, and every file of the base', () => {
    const base = yaml<{ resources: string[]; configMapGenerator: { files?: string[] }[] }>(
      'base/kustomization.yaml',
    );
    const named = [...base.resources, ...base.configMapGenerator.flatMap(({ files = [] }) => files)];
    const files = readdirSync(join(ROOT, 'deploy/kubernetes/base'), { recursive: true, encoding: 'utf8' });
    expect(named.toSorted()).toEqual(
      files.filter((name) => name.includes('.') && name !== 'kustomization.yaml').toSorted(),
    );
  });

  test('the example changes addresses and images, and nothing else', () => {
    const overlay = yaml<{
      images: { name: string }[];
      configMapGenerator: { name: string; behavior: string; literals: string[] }[];
    }>('overlays/example/kustomization.yaml');
    expect(Object.keys(overlay)).toEqual(['apiVersion', 'kind', 'resources', 'images', 'configMapGenerator']);
    expect(overlay.images.map(({ name }) => name)).toEqual([agent.image, report.image]);
    const literals = overlay.configMapGenerator.map(({ name, literals }) => [
      name,
      ...literals.map((literal) => literal.split('=')[0]),
    ]);
    expect(literals).toEqual([
      ['vault-address', 'VAULT_ADDR'],
      ['database-address', 'PGHOST', 'PGPORT', 'PGDATABASE'],
    ]);
  });
});

describe('the lines of the example that are off', () => {
  test('are a CA of one’s own where the agent finds it, and a Vault namespace', () => {
    const text = read('deploy/kubernetes/overlays/example/kustomization.yaml');
    const { configMapGenerator } = parse(text.replace(/^(\s*)#(?=\S)/gm, '$1'));
    expect(configMapGenerator).toContainEqual({
      name: 'agent-config',
      behavior: 'merge',
      files: ['ca.pem'],
    });
    expect(configMapGenerator[0].literals.slice(1)).toEqual([
      expect.stringMatching(/^VAULT_NAMESPACE=/),
      `VAULT_CACERT=${mountOf(agent, 'agent-config')!.mountPath}/ca.pem`,
    ]);
  });
});

describe('Vault’s side', () => {
  const role = JSON.parse(read('vault-policies/kubernetes-role.json'));

  test('lets in the pod’s account with a token for Vault, and lets it make a session only', () => {
    const account = yaml<{ metadata: { name: string } }>('base/service-account.yaml').metadata.name;
    expect(pod.serviceAccountName).toBe(account);
    expect(role).toMatchObject({
      bound_service_account_names: [account],
      bound_service_account_namespaces: [yaml<{ namespace: string }>('base/kustomization.yaml').namespace],
      audience: 'vault',
      token_policies: ['tasklease-login'],
      token_no_default_policy: true,
    });
    expect(read('deploy/kubernetes/vault/setup.sh')).toContain(`/role/${settings.vault.auth.role}"`);
  });

  test('the reviewer may review tokens, and nothing else', () => {
    const documents = parseAllDocuments(read('deploy/kubernetes/vault/reviewer.yaml')).map((each) =>
      each.toJS(),
    );
    const bindings = documents.filter(({ kind }) => /Binding$/.test(kind));
    expect(bindings).toHaveLength(1);
    expect(bindings[0].roleRef).toMatchObject({ kind: 'ClusterRole', name: 'system:auth-delegator' });
    expect(documents.filter(({ kind }) => /Role$/.test(kind))).toEqual([]);
  });
});

describe('its README', () => {
  test('tells what every volume is, where it is mounted and who sees it', () => {
    for (const { name } of pod.volumes) {
      const mounts = [mountOf(agent, name), mountOf(report, name)];
      const row = readme.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${name}\``));
      expect(row, name).toBeDefined();
      expect(row).toContain(`\`${name}\` → ${mounts.find((mount) => mount !== undefined)!.mountPath}`);
      const columns = row!.split('|').slice(-3, -1);
      expect(columns.map((column) => column.includes('not mounted'))).toEqual(
        mounts.map((mount) => mount === undefined),
      );
    }
  });

  test('tells of each ending: failure, OOM, deletion, eviction, grace 0, a dead agent, a lost node, Vault away', () => {
    for (const word of [
      'exit code',
      'OOM',
      'deleted',
      'evicted',
      'grace 0',
      'agent is killed',
      'node',
      'Vault is away',
    ]) {
      const rows = readme.split('\n').filter((line) => line.startsWith('| '));
      expect(
        rows.some((row) => row.includes(word)),
        word,
      ).toBe(true);
    }
    expect(readme).toContain('**State ends with the pod.**');
  });
});
