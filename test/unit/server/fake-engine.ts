// Owns a stand-in for the engine behind the real server on a real socket: it answers what a test tells it to and
// notes what it was asked. It shows how HTTP is spoken, never how a task behaves.

import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller } from '../../../src/domain/task-spec.ts';
import type { Agent } from '../../../src/engine/agent.ts';
import { listenSocket } from '../../../src/server/http.ts';
import { call, openCall } from '../../harness/socket-api.ts';

export const CALLER: Caller = { uid: 1000, gid: 1000, groups: [], pid: 4242, admin: false };

type Told = Parameters<Parameters<Agent['facts']['listen']>[0]>[0];

export class FakeEngine implements AsyncDisposable {
  /** `name: arguments` of every call, in order. */
  readonly asked: string[] = [];
  state: 'active' | 'stopping' | 'closed' | 'pending_approval' = 'active';
  /** How long the last start was to wait for approval. Milliseconds. */
  patience = 0;
  leaving = false;
  /** Replaces the answer of a call; may throw. */
  readonly answers: Partial<Record<'start' | 'extend' | 'approve' | 'abandon' | 'hold', () => unknown>> = {};
  readonly #listeners = new Set<(told: Told, owner: number) => void>();
  readonly #dir = mkdtempSync(join(tmpdir(), 'tasklease-server-'));
  #servers: Server[] = [];

  readonly facts = {
    listen: (listener: (told: Told, owner: number) => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
  };

  static async listening(): Promise<FakeEngine> {
    const engine = new FakeEngine();
    await engine.#listen();
    return engine;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(type: string, more: Record<string, unknown> = {}): void {
    const fact = { at: '2026-11-22T10:00:00.000Z', task: 't1', type, ...more };
    for (const listener of [...this.#listeners]) listener({ ...fact, fact } as unknown as Told, CALLER.uid);
  }

  call(method: string, path: string, body?: unknown, admin = false) {
    return call(this.#path(admin), method, path, body);
  }

  open(method: string, path: string, body?: unknown) {
    return openCall(this.#path(false), method, path, body);
  }

  view() {
    return { task: 't1', state: this.state, started_at: 'then', outcome: 'lost' };
  }

  // What follows is the engine as the server calls it.

  start(task: string, signal: unknown, _digest: string, _by: Caller, _again: boolean, wait: { ms: number }) {
    this.patience = wait.ms;
    this.#note('start', task, signal);
    return this.#answer('start', { view: this.view(), fresh: true, trace: null });
  }
  get(task: string) {
    this.#note('get', task);
    return this.view();
  }
  extend(task: string, byMs: number) {
    this.#note('extend', task, byMs);
    return this.#answer('extend', this.view());
  }
  approve(task: string, word: unknown) {
    this.#note('approve', task, word);
    return this.#answer('approve', this.view());
  }
  abandon(task: string, reason: string) {
    this.#note('abandon', task, reason);
    return this.#answer('abandon', { receipt: { task, state: 'closed' } });
  }
  hold(task: string) {
    this.#note('hold', task);
    return this.#answer('hold', undefined);
  }
  lost(task: string, _caller: Caller, detail: string): void {
    this.#note('lost', task, detail);
  }

  /** Cuts every connection, as a caller does that goes away. */
  async hangUp(): Promise<void> {
    for (const server of this.#servers) server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #path(admin: boolean): string {
    return join(this.#dir, admin ? 'admin.sock' : 'agent.sock');
  }

  async #listen(): Promise<void> {
    const service = {
      agent: this as unknown as Agent,
      metrics: () => '',
      files: { faults: () => [], faulty: () => [] },
      stuck: () => null,
      version: '0.0.0',
    };
    for (const admin of [true, false]) {
      const callerOf = () => ({ ...CALLER, admin });
      const options = { path: this.#path(admin), mode: 0o600, admin, callerOf, onProblem: () => {} };
      this.#servers.push(await listenSocket(service, options));
    }
  }

  #note(name: string, ...args: unknown[]): void {
    this.asked.push(
      [`${name}:`, ...args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)))].join(' '),
    );
  }

  async #answer(name: keyof FakeEngine['answers'], usual: unknown): Promise<unknown> {
    const answer = this.answers[name];
    return answer === undefined ? usual : await answer();
  }
}
