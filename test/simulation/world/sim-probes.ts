// Owns the servers that a simulated world's credentials are for: which profiles wait for them, and how often they fail.
// Invariant: what a server took is remembered by the credential itself, so that a judge can ask whether it ever did.

import type { Credential, Probe } from '../../../src/domain/probe.ts';
import type { Profile } from '../../../src/domain/profile.ts';
import { NotYet, type Probes } from '../../../src/ports/probes.ts';
import type { Draw } from './draw.ts';
import type { World } from './world.ts';

const WAITING: ReadonlySet<string> = new Set(['report', 'mixed']);
export const PROBE_TIMEOUT_MS = 4000;

export class SimProbes implements Probes {
  readonly #draw: Draw;
  readonly #world: World;
  readonly #active: boolean;
  readonly #refusing: number;
  readonly #taken = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#draw = world.draw.stream('probes');
    this.#active = this.#draw.chance(0.3);
    this.#refusing = this.#draw.pick([0, 0.3, 0.8, 0.97]);
  }

  waits(profile: string): boolean {
    return this.#active && WAITING.has(profile);
  }

  /** The profile as this world's operators wrote it. */
  asked(profile: Profile): Profile {
    if (!this.waits(profile.name)) return profile;
    return {
      ...profile,
      ready: {
        kind: 'postgres',
        secret: 'db',
        address: '{{task.id}}.sim/app',
        timeoutMs: PROBE_TIMEOUT_MS,
        tls: false,
        fields: { username: 'username', password: 'password' },
      },
    };
  }

  took(username: unknown): boolean {
    return this.#taken.has(String(username));
  }

  async attempt(_probe: Probe, { username = '' }: Credential, signal: AbortSignal): Promise<void> {
    const world = this.#world;
    const refused = !world.quiet && this.#draw.chance(this.#refusing);
    const ms = world.quiet ? 0 : this.#draw.pick([0, 0, 20, 500]);
    if (ms > 0) await new Promise<void>((resolve) => world.clock.after(ms, resolve));
    if (signal.aborted) throw new NotYet('');
    if (!refused) {
      this.#taken.add(username);
      return;
    }
    world.say(`not ready ${username}`);
    world.calm.touch('path', world.at);
    throw new NotYet('refuses the credential');
  }
}
