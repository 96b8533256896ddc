// Owns one cluster of one node with the shipped manifests beside a real Vault and a real PostgreSQL, and how a test looks
// at them. Invariants: the manifests are used as shipped, with addresses and images changed, and what a test names; what
// is alive is asked of Vault, PostgreSQL and the node's own mounts; close() leaves nothing and fails when something is left.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type PostgresServer, startPostgres } from '../../../src/dev/postgres-server.ts';
import { provision } from '../../../src/dev/provision.ts';
import { vaultBinary } from '../../../src/dev/vault-binary.ts';
import { startVault, type VaultServer } from '../../../src/dev/vault-server.ts';
import type { Json } from '../../harness/socket-api.ts';
import { until, untilEmpty } from '../../harness/until.ts';
import { type SeenToken, secretLeases, taskTokens } from '../../harness/vault-lists.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { HOST_ADDRESS, type Machine, startMachine } from './machine.ts';
import { packImages, startNode } from './node.ts';
import { type Overlay, writeOverlay } from './overlay.ts';
import { nodePrograms, type Programs } from './programs.ts';
import { type Relay, relay } from './relay.ts';

const run = promisify(execFile);
const SETUP = fileURLToPath(new URL('../../../deploy/kubernetes/vault/setup.sh', import.meta.url));
export const NAMESPACE = 'tasklease';

/** What Vault, PostgreSQL and the node's volumes still hold of any task. */
export interface Left {
  readonly leases: string[];
  readonly tokens: SeenToken[];
  readonly roles: string[];
  readonly files: string[];
}

export class Cluster {
  readonly machine: Machine;
  readonly vault: VaultServer;
  readonly postgres: PostgresServer;
  readonly #plane: ControlPlane;
  readonly #programs: Programs;
  readonly #relays: readonly Relay[];
  #undo: (() => Promise<unknown>)[] = [];

  private constructor(
    machine: Machine,
    programs: Programs,
    plane: ControlPlane,
    servers: { vault: VaultServer; postgres: PostgresServer; relays: readonly Relay[] },
  ) {
    this.machine = machine;
    this.#programs = programs;
    this.#plane = plane;
    this.vault = servers.vault;
    this.postgres = servers.postgres;
    this.#relays = servers.relays;
  }

  /** @param leash of the session role, as Vault writes durations */
  static async open({ leash }: { leash: string }): Promise<Cluster> {
    const programs = await nodePrograms();
    const { path: binary } = await vaultBinary({ log: { line: () => undefined } });
    const machine = await startMachine();
    const undo: (() => Promise<unknown>)[] = [() => machine.close()];
    try {
      const file = (name: string): string => join(machine.directory, name);
      const archive = process.env.TASKLEASE_NODE_IMAGES ?? (await packImages());
      const vault = await startVault({ binary, dir: file('vault'), storage: 'inmem' });
      undo.unshift(() => vault.kill());
      const postgres = await startPostgres({ dir: file('postgres') });
      undo.unshift(() => postgres.stop());
      await provision({ vault, postgres, leash, approle: false });
      const relays = [await relay(HOST_ADDRESS, vault.port), await relay(HOST_ADDRESS, postgres.port)];
      undo.unshift(() => Promise.all(relays.map((each) => each.close())));
      const plane = await startControlPlane(machine, programs);
      await startNode(machine, programs, plane, archive);
      const cluster = new Cluster(machine, programs, plane, { vault, postgres, relays });
      cluster.#undo = undo;
      await cluster.#setUpLogin(binary);
      return cluster;
    } catch (error) {
      for (const step of undo) await step().catch(() => undefined);
      throw error;
    }
  }

  /** The shipped script, with the commands `vault` and `kubectl` of this run. */
  async #setUpLogin(vault: string): Promise<void> {
    const bin = join(this.machine.directory, 'bin');
    mkdirSync(bin);
    symlinkSync(vault, join(bin, 'vault'));
    symlinkSync(this.#programs.kubectl, join(bin, 'kubectl'));
    await run('sh', [SETUP], {
      env: {
        PATH: `${bin}:/usr/bin:/bin`,
        HOME: this.machine.directory,
        KUBECONFIG: this.#plane.kubeconfig,
        VAULT_ADDR: this.vault.address,
        VAULT_TOKEN: this.vault.rootToken,
      },
    });
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.#plane.kubectl(['--namespace', NAMESPACE, ...args]);
  }

  async get(...args: readonly string[]): Promise<Json> {
    return JSON.parse(await this.kubectl('get', ...args, '--output', 'json'));
  }

  /** Applies the example overlay with this run's addresses and images, and with what `overlay` names. */
  async apply(overlay: Overlay = {}): Promise<void> {
    const [vault, postgres] = this.#relays;
    const directory = writeOverlay(this.machine.directory, overlay, {
      VAULT_ADDR: `http://${HOST_ADDRESS}:${vault!.port}`,
      PGHOST: HOST_ADDRESS,
      PGPORT: String(postgres!.port),
      PGDATABASE: 'postgres',
    });
    await this.#plane.kubectl(['apply', '--kustomize', directory]);
  }

  /** The one pod of a Job. */
  async pod(job = 'report'): Promise<Json> {
    const { items } = await this.get('pods', '--selector', `batch.kubernetes.io/job-name=${job}`);
    if (items.length !== 1) throw new Error(`${items.length} pods of the job ${job}`);
    return items[0];
  }

  /** Waits until the pod of a Job is there and `condition` holds for it. */
  untilPod(what: string, condition: (pod: Json) => unknown, job?: string): Promise<Json> {
    return until(
      what,
      async () => {
        const pod = await this.pod(job);
        if (condition(pod)) return pod;
        throw new Error(JSON.stringify(pod.status));
      },
      240_000,
    );
  }

  logs(pod: string, container: string, ...options: string[]): Promise<string> {
    return this.kubectl('logs', pod, '--container', container, ...options);
  }

  /** The login that a report's script has written to its log, once it has. */
  async loginOf(pod: Json): Promise<string | undefined> {
    return /logged in as (\S+)/.exec(await this.logs(pod.metadata.name, 'report'))?.[1];
  }

  /** What the agent of a pod has put on record. */
  async facts(pod: Json): Promise<Json[]> {
    const lines = (await this.logs(pod.metadata.name, 'agent')).split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  async left(): Promise<Left> {
    const [leases, tokens, rows] = await Promise.all([
      secretLeases(this.vault),
      taskTokens(this.vault),
      this.postgres.query(`select rolname from pg_roles where rolname like 'v-%'`),
    ]);
    return { leases, tokens, roles: rows.map(({ rolname }) => String(rolname)), files: this.secretFiles() };
  }

  /** Waits until nothing is left, nor a pod's volume on the node. */
  async untilNothingLeft(withinMs = 60_000): Promise<void> {
    const all = async () => Object.values(await this.left()).flat();
    await untilEmpty('nothing is left in Vault, PostgreSQL and volumes', all, withinMs);
  }

  /** Deletes a Job with its pod, and waits until the node has given up the pod's volumes. */
  async removeJob(job = 'report'): Promise<void> {
    await this.kubectl('delete', 'job', job, '--cascade=foreground', '--ignore-not-found', '--timeout=120s');
    await untilEmpty('the node has no volume of a pod', async () => this.volumes());
  }

  /** Mounts of memory for pods, as the node sees them; none once the machine is off. */
  volumes(): string[] {
    let mounts = '';
    try {
      mounts = readFileSync(this.machine.inside('/proc/1/mounts'), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return mounts.split('\n').flatMap((line) => {
      const [, path = ''] = line.split(' ');
      return path.includes('/kubernetes.io~empty-dir/') ? [path] : [];
    });
  }

  /** Whatever lies in volumes for secrets. */
  secretFiles(): string[] {
    return this.volumes()
      .filter((path) => path.endsWith('/secrets'))
      .flatMap((path) => readdirSync(this.machine.inside(path), { recursive: true, encoding: 'utf8' }))
      .filter((name) => name !== 'tasklease'); // the agent's own directory in the volume
  }

  /** kill -9 of a container's first process, and so of all. False when it does not run as `pod` says. */
  kill9(pod: Json, container: string): boolean {
    const { initContainerStatuses = [], containerStatuses = [] } = pod.status;
    const status = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === container);
    const id = String(status?.containerID ?? '').replace('containerd://', '');
    const pid = this.machine.firstProcessOf(id);
    return pid !== undefined && process.kill(pid, 'SIGKILL');
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#undo) await step().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
