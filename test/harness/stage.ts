// Owns where a story takes place: its files applied to a real Vault, a real PostgreSQL and a real agent, and a workload
// that is another user than the agent. Invariant: whether something is refused is said by Vault or by the target, to the
// task's very token or credential, never by what the agent says.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { VaultBody, VaultReply } from '../../src/dev/vault-server.ts';
import { saidTo } from './database-login.ts';
import { jwk, pem, signingKey } from './issuer.ts';
import { residentUser } from './resident-user.ts';
import { type Json, type OpenReply, openCall, type Reply } from './socket-api.ts';
import { type StoryFiles, storyFiles, WILDCARD } from './story-files.ts';
import { expectProblem, receiptOf } from './tasks.ts';
import { until } from './until.ts';
import { type Login, VaultAudit } from './vault-audit.ts';
import { type Running, runAs } from './workload.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** Whom the profiles of all stories name. */
export const WORKLOAD = 1000;

export interface StageOptions {
  /** The story's directory under vault-policies/stories/. */
  readonly name: string;
  /** What others have in Vault and in the target before the story begins; after its files are applied. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  readonly world?: WorldOptions;
}

/** One request with a task's token for something that is not the task's. */
export interface Probe {
  readonly asked: string;
  readonly policies: readonly string[];
  readonly refused: boolean;
}

export const openStage = async (options: StageOptions): Promise<Stage> => {
  const files = storyFiles(options.name);
  const config = { socket: { mode: '0666' }, ...options.world?.config };
  const world = await createWorld({ audit: true, ...options.world, config, start: false });
  const stage = new Stage(world, files);
  try {
    await stage.apply();
    await options.prepare?.(stage);
    await world.agent.start();
    await stage.listen();
    return stage;
  } catch (error) {
    await stage.close();
    throw error;
  }
};

export class Stage {
  readonly world: World;
  readonly files: StoryFiles;
  /** Differs from telling to telling. */
  round = '';
  readonly closers: (() => void)[] = [];
  #probes: Probe[] = [];
  #facts: OpenReply | undefined;
  readonly #audit: VaultAudit;
  readonly #workload = residentUser(WORKLOAD, WORKLOAD);
  /** The CI, the orchestrator: whoever vouches for a start. */
  readonly issuer = signingKey('ES256');

  constructor(world: World, files: StoryFiles) {
    this.world = world;
    this.files = files;
    this.#audit = new VaultAudit(world.paths.audit);
  }

  /** What the administrators do: of Vault, of the database, of the agent. */
  async apply(): Promise<void> {
    const { vault, postgres } = this.world;
    await this.admin('POST', 'database/config/app', {
      plugin_name: 'postgresql-database-plugin',
      allowed_roles: ['*'],
      connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/postgres?sslmode=disable`,
      username: postgres.user,
      password: postgres.password,
      password_authentication: 'scram-sha-256',
    });
    const own = this.files.kinds[0]!.mode === 'jwt' ? 'jwt/' : 'token/';
    await this.#trustIssuer();
    if (this.files.sql !== '') await postgres.query(this.files.sql);
    for (const [path, text] of this.files.writes) {
      await this.admin('POST', path, JSON.parse(await this.#withAccessor(text, own)));
    }
    const role = (await this.admin('GET', 'auth/token/roles/tasklease')).data as Record<string, unknown>;
    const more = Object.entries(this.files.tokenRole).map(([list, values]) => [
      list,
      [...((role[list] as string[] | null) ?? []), ...values],
    ]);
    await vault.request('POST', 'auth/token/roles/tasklease', Object.fromEntries(more));
    for (const { profile, profileText } of this.files.kinds) {
      await writeFile(
        join(this.world.paths.profiles, `${profile}.yaml`),
        profileText.replaceAll('/etc/tasklease/', `${this.world.paths.scratch}/`),
      );
    }
    await this.begin('');
  }

  async #trustIssuer(): Promise<void> {
    const keys = JSON.stringify({ keys: [jwk(this.issuer)] });
    await writeFile(join(this.world.paths.scratch, 'ci-keys.json'), keys);
    await this.admin('POST', 'sys/auth/jwt', { type: 'jwt' });
    await this.admin('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem(this.issuer)] });
  }

  /** A new telling, where `wildcard` names the policy that its administrator wrote carelessly. */
  async begin(round: string, wildcard?: string): Promise<void> {
    this.round = round;
    this.#probes = [];
    for (const { policy, policyText, mode } of this.files.kinds) {
      const text =
        policy === wildcard
          ? WILDCARD
          : await this.#withAccessor(policyText, mode === 'jwt' ? 'jwt/' : 'token/');
      await this.admin('PUT', `sys/policies/acl/${policy}`, { policy: text });
    }
  }

  async listen(): Promise<void> {
    this.#facts = await openCall(this.world.paths.admin, 'GET', '/v1/events');
  }

  /** What Vault was asked for beside the tasks' business, and what it said. */
  probes = (): readonly Probe[] => this.#probes;

  /** As Vault's administrator. */
  async admin(method: string, path: string, body?: unknown): Promise<VaultBody> {
    const reply = await this.world.vault.request(method, path, body);
    expect(reply.status, `${method} ${path}: ${JSON.stringify(reply.body)}`).toBeLessThan(300);
    return reply.body;
  }

  async #withAccessor(text: string, mount: string): Promise<string> {
    if (!text.includes('ACCESSOR')) return text;
    const mounts = (await this.admin('GET', 'sys/auth')).data as Record<string, { accessor: string }>;
    return text.replaceAll('ACCESSOR', mounts[mount]!.accessor);
  }

  /** One call as the workload. */
  api: World['api'] = (method, path, body) =>
    this.#workload.call(this.world.paths.socket, method, path, body);

  /** A name for a task that no other telling has. */
  id = (name: string): string => `${name}-${this.round}`;

  /** The sample start of a kind (default: the story's own), with these changes. */
  body(changes: Json = {}, profile = this.files.kinds[0]!.profile): Json {
    return { ...this.files.kinds.find((kind) => kind.profile === profile)!.start, ...changes };
  }

  put = (task: string, changes: Json = {}, profile?: string): Promise<Reply> =>
    this.api('PUT', `/v1/tasks/${task}`, this.body(changes, profile));

  async start(task: string, changes: Json = {}, profile?: string): Promise<Json> {
    const reply = await this.put(task, changes, profile);
    expect(reply.status, reply.text).toBe(201);
    return reply.body;
  }

  async stop(task: string): Promise<Json> {
    const reply = await this.api('DELETE', `/v1/tasks/${task}?wait=60s`);
    expect(reply.status, reply.text).toBe(200);
    return reply.body;
  }

  /** `tasklease ARGS` as the workload, to its end. */
  async cli(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const running = this.#running(['tasklease', ...args]);
    return { code: await running.ended, ...running.said };
  }

  /** A kind's start.sh (default: the story's own) as the workload runs it. */
  script = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}, dir = this.files.dir): Running =>
    this.#running(['sh', join(dir, 'start.sh'), ...args], env);

  #running(command: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    const { port } = this.world.postgres;
    const database = { PGHOST: '127.0.0.1', PGPORT: String(port), PGDATABASE: 'postgres' };
    const running = runAs(WORKLOAD, this.world, command, { ...database, ...env });
    this.closers.push(running.end);
    return running;
  }

  json = async (task: string, file: string): Promise<Json> => JSON.parse(await this.world.file(task, file));

  /** See vault-audit.ts. */
  tokenOf = (task: string, assertion?: string): string => this.#audit.tokenOf(task, assertion);
  issuedTo = (task: string): Login[] => this.#audit.issuedTo(task);

  vaultAs = (token: string, method: string, path: string, body?: unknown): Promise<VaultReply> =>
    this.world.vault.request(method, path, body, token);

  /** Something adjacent. Anything but 403 means that no policy stood in its way. */
  async refusedByVault(token: string, method: string, path: string, body?: unknown): Promise<void> {
    const { data } = await this.admin('POST', 'auth/token/lookup', { token });
    const { status } = await this.vaultAs(token, method, path, body);
    const policies = data!.policies as string[];
    this.#probes.push({ asked: `${policies} ${method} ${path}`, policies, refused: status === 403 });
  }

  /** What the database says to this login: `done`, or the code of its refusal. */
  sql = (login: Login, statement: string): Promise<string> =>
    saidTo(login, statement, this.world.postgres.port);

  /** The task is over: its token is dead, its id spent, its receipt says why and proves it. */
  async isOver(task: string, outcome: string, changes: Json = {}, profile?: string): Promise<Json> {
    const receipt = await receiptOf({ api: this.world.admin }, task);
    expect(receipt).toMatchObject({ state: 'closed', outcome });
    for (const { path, proof } of receipt.leases) {
      // A version 2 KV secret has no lease: what ends is the token and the file.
      expect(proof, path).toBe(path.startsWith('secret/data/') ? 'expires' : 'revoked');
    }
    const token = this.tokenOf(task);
    expect((await this.world.vault.request('POST', 'auth/token/lookup', { token })).status).toBe(403);
    expect(this.world.taskDirs()).not.toContain(task);
    expectProblem(await this.put(task, changes, profile), 409, 'TASK_SPENT');
    return receipt;
  }

  /** What `tasklease audit list` says of these. */
  async ledger(...filter: string[]): Promise<Json[]> {
    const place = ['--config', this.world.paths.config, '--output', 'json'];
    const { code, stdout, stderr } = await this.world.cli(['audit', 'list', ...filter, ...place]);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout).tasks;
  }

  /** The receipt, the facts, the ledger, the agent's log and Vault's own audit log tell of this task under this event. */
  async isOnRecord(task: string, type: string, id: string): Promise<void> {
    const event = { type, id };
    const receipt = await receiptOf({ api: this.world.admin }, task);
    expect(receipt.event).toEqual(event);
    const told = (lines: Json[], kind: string) =>
      lines.find((line) => line.task === task && line.type === kind);
    await until('the facts are told', () => told(this.#facts!.lines, 'grant.closed'));
    expect(told(this.#facts!.lines, 'grant.accepted')).toMatchObject({ event });
    expect(told(this.#facts!.lines, 'grant.closed')).toMatchObject({ outcome: receipt.outcome });
    const log = this.world
      .logs()
      .split('\n')
      .filter((line) => line.includes(`"task":"${task}"`));
    for (const fact of ['grant.accepted', 'grant.closed']) {
      expect(
        log.filter((line) => line.includes(`"${fact}"`)),
        fact,
      ).toHaveLength(1);
    }
    for (const line of log) expect(JSON.parse(line).event).toBe(`${type}:${id}`);
    const tasks = await this.ledger('--event', `${type}:${id}`);
    // Starts that were refused before they were a grant are there too.
    expect(tasks.find((each: Json) => each.task === task && each.grant !== null)).toMatchObject({
      ...{ event, outcome: receipt.outcome, caller: { uid: WORKLOAD, admin: false } },
      leases: receipt.leases.map(({ secret, proof }: Json) => ({ secret, proof })),
    });
    // What a task logs in for itself has its claims there instead.
    const reads = this.#audit.linesOf(task, 'request');
    expect(reads.length).toBeGreaterThan(0);
    if (this.files.kinds[0]!.mode === 'jwt') return;
    for (const { auth } of reads) expect(auth?.metadata).toMatchObject({ task, event: `${type}:${id}` });
  }

  async close(): Promise<void> {
    this.#facts?.close();
    this.#workload.close();
    for (const close of this.closers) close();
    await this.world.close();
  }
}
