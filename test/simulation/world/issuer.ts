// Owns the orchestrator of a simulated world: which profiles ask for its assertions, and what its tasks bring. Invariant:
// most assertions are made for one task; some are copies of one that another task has brought, or have expired.

import type { AssertionRule } from '../../../src/domain/assertion.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import type { StartSignal } from '../../../src/domain/task-spec.ts';
import type { Draw } from './draw.ts';
import { simAssertion } from './sim-assertions.ts';
import type { World } from './world.ts';

const SIGNED: ReadonlySet<string> = new Set(['report', 'config']);
const ISSUER = 'https://ci.example';
const AUDIENCE = 'tasklease';

export class Issuer {
  readonly #draw: Draw;
  readonly #active: boolean;
  readonly #rule: AssertionRule;
  readonly #given: string[] = [];

  constructor(draw: Draw) {
    this.#draw = draw;
    this.#active = draw.chance(0.3);
    this.#rule = {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      claims: { repository: ['acme/*'] },
      capsTtl: draw.chance(0.3),
      keys: { jwksFile: '/etc/tasklease/keys' },
    };
  }

  signsFor(profile: string): boolean {
    return this.#active && SIGNED.has(profile);
  }

  /** The profile as this world's operators wrote it. */
  asked(profile: Profile): Profile {
    if (!this.signsFor(profile.name)) return profile;
    return { ...profile, allow: { ...profile.allow, assertion: this.#rule } };
  }

  /** What a task brings with its start. */
  assertion(
    profile: string,
    task: string,
    { clock, quiet }: World,
    wellKnown: boolean,
  ): Pick<StartSignal, 'assertion'> {
    if (!this.signsFor(profile)) return {};
    // What a story is told about starts; so does everything once the world is quiet.
    const good = quiet || wellKnown;
    const copied = !good && this.#given.length > 0 && this.#draw.chance(0.3);
    const jti = copied ? this.#draw.pick(this.#given) : `jti-${task}`;
    this.#given.push(jti);
    const now = Math.floor(clock.now().wallMs / 1000);
    const exp = now + this.#draw.pick(good ? [3600] : [-60, 5, 300, 300, 3600]);
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'job', jti, exp, repository: 'acme/shop' };
    return { assertion: simAssertion(claims) };
  }
}
