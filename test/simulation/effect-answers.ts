// Owns how each effect of one grant can be answered, and what it does outside: tokens and leases at Vault, files.
// Invariant: what an answer says is what was done.

import type { Grant } from '../../src/domain/grant.ts';
import type { Effect, GrantEvent } from '../../src/domain/grant-event.ts';
import type { Moment } from '../../src/domain/instant.ts';
import { DENIED, SESSION, UNREACHABLE } from '../unit/domain/samples.ts';

/** The world around one grant. */
export interface Outside {
  /** Accessors of tokens that live and whose making was heard of. */
  readonly tokens: readonly string[];
  readonly leases: readonly string[];
  /** The generation whose files `current` shows. */
  readonly shown: number | null;
}

export interface Answer {
  readonly event: GrantEvent;
  readonly outside: Outside;
  /** Nothing failed. */
  readonly well: boolean;
}

const LEASE_MS = 120_000;
const leaseOf = (n: number): string => `database/creds/report/${n}`;
const accessorOf = (n: number): string => `acc-${n}`;

/** Every answer that an effect can get: the good one first, then, if `mayFail`, the bad ones. */
export function answersTo(
  effect: Effect,
  grant: Grant,
  outside: Outside,
  now: Moment,
  mayFail: boolean,
): Answer[] {
  const good = (event: GrantEvent, change: Partial<Outside> = {}): Answer => ({
    event,
    outside: { ...outside, ...change },
    well: true,
  });
  const bad = (...answers: readonly (readonly [GrantEvent, Partial<Outside>?])[]): Answer[] =>
    mayFail ? answers.map(([event, change]) => ({ ...good(event, change), well: false })) : [];
  const without = (list: readonly string[], gone: string) => list.filter((one) => one !== gone);
  switch (effect.type) {
    case 'openToken': {
      const { n } = effect;
      const accessor = accessorOf(n);
      const endsAt = grant.latestDeadline;
      return [
        good(
          { type: 'tokenOpened', n, accessor, session: SESSION, endsAt },
          { tokens: [...outside.tokens, accessor] },
        ),
        // One whose making nobody heard of ends at its TTL: nobody can do more about it.
        ...bad([{ type: 'tokenFailed', n, problem: UNREACHABLE, unknown: true }]),
      ];
    }
    case 'readSecrets': {
      const { n } = effect;
      const lease = {
        secret: 'db',
        path: 'database/creds/report',
        id: leaseOf(n),
        ttl_ms: LEASE_MS,
        renewable: true,
        revocable: true,
      };
      const lost = [{ secret: 'db', path: 'database/creds/report' }];
      const read = { type: 'secretsRead', n, askedAt: now.at } as const;
      const issued = { leases: [...outside.leases, leaseOf(n)] };
      const alive = outside.tokens.includes(accessorOf(n));
      if (!alive) return [good({ ...read, leases: [], lost: [], problem: DENIED })];
      return [
        good({ ...read, leases: [lease], lost: [], problem: null }, issued),
        ...bad(
          [{ ...read, leases: [], lost: [], problem: DENIED }],
          [{ ...read, leases: [], lost, problem: UNREACHABLE }, issued],
        ),
      ];
    }
    case 'probe':
      return [
        good({ type: 'probed', n: effect.n }),
        ...bad([{ type: 'probeFailed', n: effect.n, problem: DENIED }]),
      ];
    case 'publish':
      return [
        good({ type: 'published', n: effect.n, files: ['db.json'], changed: true }, { shown: effect.n }),
        ...bad([{ type: 'publishFailed', n: effect.n, problem: DENIED }]),
      ];
    case 'renewLeases': {
      const { n, leases } = effect;
      const results = leases.map(({ id, incrementSeconds }) => {
        const ttlMs = incrementSeconds * 1000;
        return { id, incrementSeconds, ttlMs, endsAt: now.at + ttlMs, renewable: true };
      });
      const lost = leases.map(({ id }) => ({ id, problem: DENIED, what: 'lost' as const }));
      const failed = leases.map(({ id }) => ({ id, problem: UNREACHABLE, what: 'failed' as const }));
      if (!outside.leases.includes(leaseOf(n))) return [good({ type: 'renewed', n, results: lost })];
      return [good({ type: 'renewed', n, results }), ...bad([{ type: 'renewed', n, results: failed }])];
    }
    case 'signal':
      return [good({ type: 'signalled', n: effect.n, signal: effect.signal, delivered: true })];
    case 'erase':
      return [good({ type: 'erased' }, { shown: null }), ...bad([{ type: 'eraseFailed', problem: DENIED }])];
    case 'withdraw':
      return [
        good({ type: 'withdrawn' }, { shown: null }),
        ...bad([{ type: 'eraseFailed', problem: DENIED }]),
      ];
    case 'eraseGeneration':
      return [
        good({ type: 'generationErased', n: effect.n }),
        ...bad([{ type: 'revocationFailed', n: effect.n, problem: DENIED }]),
      ];
    case 'checkLeases': {
      const { n, ids } = effect;
      const known = ids.filter((id) => outside.leases.includes(id));
      const gone = ids.filter((id) => !known.includes(id));
      return [
        good({ type: 'leasesChecked', n, known, gone, parentEndsAt: null }),
        ...bad([{ type: 'revocationFailed', n, problem: UNREACHABLE }]),
      ];
    }
    case 'revoke':
    case 'releaseToken': {
      const { n, accessor } = effect;
      const ended = {
        tokens: without(outside.tokens, accessor),
        leases: without(outside.leases, leaseOf(n)),
      };
      const done: GrantEvent = effect.type === 'revoke' ? { type: 'revoked', n } : { type: 'alarm' };
      if (effect.type === 'releaseToken') return [good(done, ended)];
      return [good(done, ended), ...bad([{ type: 'revocationFailed', n, problem: UNREACHABLE }, ended])];
    }
    default:
      return effect satisfies never;
  }
}
