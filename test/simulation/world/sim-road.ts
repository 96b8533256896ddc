// Owns the way to a simulated Vault and back: the gate of the real adapter, so that urgency and bounds are the
// shipped ones, faults and delays. Invariant: a request is carried out once or not at all, whatever its sender hears.

import { Gate, URGENCY, type Urgency } from '../../../src/adapters/vault/gate.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Vault } from '../../../src/ports/vault.ts';
import type { SimVaultModel } from './sim-vault-model.ts';
import { failure, refused, tooMany, unknown } from './vault-failures.ts';

export type Verb = keyof Vault;
/**
 * `unreachable`: never arrives. `lost`: carried out, but the answer does not come back. `broken`: 500, nothing
 * was done. `silent`: nobody answers until the time limit. `forbidden`: an odd 403. `busy`: 503. A number: 429
 * with that many milliseconds as its Retry-After.
 */
export type Fault = 'unreachable' | 'lost' | 'broken' | 'silent' | 'forbidden' | 'busy' | number;

const PLACES = 64;
/** What issues something is waited for until Vault itself has given up on it. */
export const LAST_WORD_MS = 120_000;
export const TIMEOUT_MS = 10_000;

const URGENCIES: Readonly<Record<Verb, Urgency>> = {
  openSession: URGENCY.session,
  renewSession: URGENCY.session,
  closeSession: URGENCY.session,
  createToken: URGENCY.start,
  login: URGENCY.start,
  claimUse: URGENCY.start,
  renewToken: URGENCY.renew,
  readSecret: URGENCY.start,
  renewLease: URGENCY.renew,
  lookupLease: URGENCY.revoke,
  revokeLease: URGENCY.revoke,
  lookupCertificate: URGENCY.revoke,
  revokeCertificate: URGENCY.revoke,
  mayRevokeCertificates: URGENCY.start,
  revokeToken: URGENCY.revoke,
  lookupToken: URGENCY.revoke,
  rightsOf: URGENCY.start,
};

export abstract class SimRoad {
  readonly model: SimVaultModel;
  /** Asked once for every request; null lets it through. `about` is the lease, accessor, path or task. */
  fault: (verb: Verb, about: string) => Fault | null = () => null;
  /** Milliseconds to Vault and back; none by default. */
  latency: (verb: Verb) => readonly [number, number] = () => [0, 0];
  /** False once this client's process is gone: what it has not sent yet is never sent. */
  alive: () => boolean = () => true;
  /** Told when a request is answered 429. */
  onTooMany: (verb: Verb, about: string, retryAfterMs: number) => void = () => undefined;
  /** Requests that were sent and not answered yet. */
  inFlight = 0;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #gate: Gate;

  constructor(clock: Clock, model: SimVaultModel, timeoutMs = TIMEOUT_MS) {
    this.model = model;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#gate = new Gate(PLACES, {
      now: () => clock.now().at,
      after: (delayMs, run) => void clock.after(delayMs, run),
    });
  }

  protected request<T>(verb: Verb, about: string, answer: () => T): Promise<T> {
    return this.#gate.through(URGENCIES[verb], about.split('/', 1)[0]!, async () => {
      if (!this.alive()) return new Promise<never>(() => undefined);
      this.inFlight += 1;
      try {
        return await this.#travel(verb, about, answer);
      } finally {
        this.inFlight -= 1;
      }
    });
  }

  /** One request: on its way it may be held up, get lost, or come to a sealed server. */
  async #travel<T>(verb: Verb, about: string, answer: () => T): Promise<T> {
    const [out, back] = this.latency(verb);
    const issuing = verb === 'createToken' || verb === 'readSecret';
    const limit = issuing ? LAST_WORD_MS : this.#timeoutMs;
    const fault = this.fault(verb, about);
    if (fault === 'silent' || out >= limit) {
      if (fault !== 'silent') this.#late(out, answer);
      await this.#pass(limit);
      throw unknown('vault gave no answer in time');
    }
    await this.#pass(out);
    if (fault === 'unreachable') throw failure('notDone', 'VAULT_UNREACHABLE', 'vault cannot be reached');
    if (this.model.sealed) throw failure('later', 'VAULT_SEALED', '503: Vault is sealed');
    if (fault === 'busy') throw failure('later', 'VAULT_UNREACHABLE', '503: overloaded');
    if (typeof fault === 'number') {
      this.onTooMany(verb, about, fault);
      throw tooMany(fault);
    }
    if (fault === 'broken') throw unknown('500: internal error');
    if (fault === 'forbidden') throw refused(403, 'permission denied');
    this.model.expire();
    let result: T;
    try {
      result = answer();
    } catch (error) {
      await this.#pass(Math.min(back, limit - out));
      throw fault === 'lost' ? unknown('vault gave no answer') : error;
    }
    await this.#pass(Math.min(back, limit - out));
    if (fault === 'lost' || out + back > limit) throw unknown('vault gave no answer');
    return result;
  }

  /** Carried out after its sender has given up on it. */
  #late(delayMs: number, answer: () => unknown): void {
    this.#clock.after(delayMs, () => {
      if (this.model.sealed) return;
      this.model.expire();
      try {
        answer();
      } catch {
        // Nobody hears of a refusal.
      }
    });
  }

  #pass(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}
