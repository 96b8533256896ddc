// Owns what a start's assertion is worth: whether it is good for the profile, and whether it was presented before.
// Invariant: an assertion is good for one task id and body; what was granted once is granted to nothing else, whether
// that is on record already or still on its way there.

import { type Asserted, checkAssertion, rejected } from '../domain/assertion.ts';
import type { TaskId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Profile } from '../domain/profile.ts';
import { checkMapped, mustNotCollide } from '../domain/task-login.ts';
import type { StartSignal } from '../domain/task-spec.ts';
import type { AssertionUse } from '../ports/journal.ts';
import type { ClaimUse } from './fleet-uses.ts';
import type { GrantBook } from './grant-book.ts';
import type { Ports } from './ports.ts';

export interface AttestationOptions {
  readonly ports: Ports;
  readonly book: GrantBook;
  /** For profiles whose assertions count once for all agents. */
  readonly claimUse: ClaimUse;
}

export class Attestation {
  readonly #options: AttestationOptions;
  /** Assertions of starts that are not on record yet. */
  readonly #presented = new Map<string, AssertionUse>();

  constructor(options: AttestationOptions) {
    this.#options = options;
  }

  /** Null where the profile asks for none. @throws Problem IDENTITY_REJECTED, PROFILE_DENIED, SIGNAL_INVALID */
  async check(profile: Profile, { assertion }: StartSignal): Promise<Asserted | null> {
    const { ports } = this.#options;
    const rule = profile.allow.assertion;
    if (rule === undefined) {
      throw new Problem('SIGNAL_INVALID', `profile ${profile.name} takes no assertion`, {
        hint: `leave it out, or describe it under allow.assertion in ${profile.name}.yaml`,
      });
    }
    if (assertion === undefined) {
      throw new Problem('IDENTITY_REJECTED', `profile ${profile.name} asks for an assertion`, {
        hint: `add "assertion": a JWT of ${rule.issuer} for this one task`,
      });
    }
    const signed = await ports.assertions.verify(rule, assertion);
    const fromClaims = Object.values(profile.params).flatMap(({ claim }) => claim ?? []);
    const named = [...fromClaims, ...(profile.login?.claims ?? [])];
    return checkAssertion(profile.name, rule, signed, named, ports.clock.now());
  }

  /** For one that counts for all agents: notes it where they see it. @throws Problem IDENTITY_REJECTED when another was first */
  async claim(asserted: Asserted, task: TaskId, digest: string): Promise<void> {
    const { claimUse, ports } = this.#options;
    this.#mustBeUnused(asserted, task, digest);
    const ours = await claimUse(asserted.use, { task, digest, agent: ports.journal.agentId() });
    if (!ours) this.#replayed(asserted, task);
  }

  /** @throws Problem IDENTITY_REJECTED, PROFILE_DENIED */
  admit(profile: Profile, asserted: Asserted, task: TaskId, digest: string): void {
    this.#mustBeUnused(asserted, task, digest);
    const { login } = profile;
    if (login === undefined) return;
    checkMapped(profile.name, login, asserted);
    const living = this.#options.book.actors().map(({ grant }) => grant);
    mustNotCollide(login, asserted, living);
  }

  /** Counts as presented until the start is on record, or will never be. */
  hold({ use }: Asserted, task: TaskId, digest: string): Disposable {
    this.#presented.set(use, { task, digest });
    return { [Symbol.dispose]: () => void this.#presented.delete(use) };
  }

  #mustBeUnused(asserted: Asserted, task: TaskId, digest: string): void {
    const { use } = asserted;
    const { journal } = this.#options.ports;
    const before = this.#presented.get(use) ?? journal.assertionUse(use);
    if (before !== null && (before.task !== task || before.digest !== digest)) this.#replayed(asserted, task);
  }

  #replayed({ issuer, subject }: Asserted, task: TaskId): never {
    const { telemetry } = this.#options.ports;
    const event = 'assertion_presented_again';
    telemetry.count('tasklease_security_events_total', { event });
    telemetry.log('error', 'security event', { event, task, issuer, subject });
    throw rejected(
      'it has been presented before, for another task or with another body',
      'get a new one: an assertion is good for one task id and body, which may be repeated until granted',
    );
  }
}
