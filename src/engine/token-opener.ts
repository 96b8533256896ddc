// Owns how a generation gets its token: a child of the agent's session, or by a login of the task itself. Invariant:
// what Vault gave is always told, also when it must not be used: it has to be revoked.

import { tokenTtlSeconds } from '../domain/decide.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantEvent } from '../domain/grant-event.ts';
import type { Instant } from '../domain/instant.ts';
import { Problem } from '../domain/problem.ts';
import { metadataFault, type TaskLogin } from '../domain/task-login.ts';
import { eventText } from '../domain/task-spec.ts';
import type { KeptSession } from '../ports/session-store.ts';
import type { LoggedIn } from '../ports/vault.ts';
import { callerGone, isGone } from './caller-gone.ts';
import type { Luggage } from './effect-runner.ts';
import { understand } from './failures.ts';
import type { Ports } from './ports.ts';
import type { VaultSession } from './vault-session.ts';

export class TokenOpener {
  readonly #ports: Ports;
  readonly #session: VaultSession;
  readonly #leashMs: number;

  constructor(ports: Ports, session: VaultSession, leashMs: number) {
    this.#ports = ports;
    this.#session = session;
    this.#leashMs = leashMs;
  }

  async open(n: number, now: () => Grant, luggage: Luggage): Promise<GrantEvent> {
    const failed = (problem: Problem): GrantEvent => ({ type: 'tokenFailed', n, problem, unknown: false });
    try {
      const session = await this.#session.sessionForStart();
      // Only now: while the agent logs in, time passes, and the token must not outlive the deadline by it.
      const asked = this.#ports.clock.now().at;
      const grant = now();
      if (grant.state === 'stopping') return failed(overtaken());
      if (isGone(luggage.caller)) return failed(callerGone());
      const { login } = grant.plan;
      if (login === undefined) return await this.#child(n, grant, session, asked, luggage);
      if (luggage.assertion === null) return failed(assertionGone());
      return await this.#logIn(n, login, grant, asked, luggage);
    } catch (error) {
      const { problem, kind } = understand(error, this.#session);
      return { type: 'tokenFailed', n, problem, unknown: kind === 'unknown' };
    }
  }

  async #child(
    n: number,
    grant: Grant,
    session: KeptSession,
    asked: Instant,
    luggage: Luggage,
  ): Promise<GrantEvent> {
    const { policies, entityAlias } = grant.plan;
    const { token, accessor, ttlMs } = await this.#ports.vault.createToken(session.token, {
      policies,
      ...(entityAlias === undefined ? {} : { entityAlias }),
      ttlSeconds: tokenTtlSeconds(grant, asked),
      displayName: `tasklease-${grant.profile}`,
      meta: {
        task: grant.task,
        profile: grant.profile,
        ...(grant.event === null ? {} : { event: eventText(grant.event)! }),
      },
    });
    luggage.token = token;
    return { type: 'tokenOpened', n, accessor, session: session.accessor, endsAt: asked + ttlMs };
  }

  /** With the task's own assertion: Vault checks it again, and the agent could not make such a token. */
  async #logIn(
    n: number,
    login: TaskLogin,
    grant: Grant,
    asked: Instant,
    luggage: Luggage,
  ): Promise<GrantEvent> {
    const { token, accessor, ttlMs, metadata, policies, fault } = await this.#ports.vault.login({
      ...login,
      assertion: luggage.assertion!,
      policies: grant.plan.policies,
      longestMs: this.#leashMs,
    });
    luggage.token = token;
    luggage.policies = policies ?? [];
    luggage.fault = fault ?? mappedFault(metadata, login, grant);
    return { type: 'tokenOpened', n, accessor, session: null, endsAt: asked + ttlMs, ttlMs };
  }
}

function mappedFault(metadata: LoggedIn['metadata'], login: TaskLogin, grant: Grant): Problem | null {
  const wrong = grant.asserted === null ? null : metadataFault(metadata, login, grant.asserted);
  if (wrong === null) return null;
  return new Problem('PROFILE_DENIED', `role ${login.role} of auth/${login.mount} ${wrong}`, {
    hint: `name every claim of its claim_mappings under vault.claims in ${grant.profile}.yaml, and none with a slash in its value`,
  });
}

const assertionGone = (): Problem =>
  new Problem('IDENTITY_REJECTED', 'the assertion of the task is not kept over a restart of the agent', {
    hint: 'start the task anew, with a new assertion; its credential lives on until its end',
  });

const overtaken = (): Problem =>
  new Problem('VAULT_UNREACHABLE', 'the task was stopped before there was a Vault session');
