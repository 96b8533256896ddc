// Owns the installation that benchmarks measure: no limit, no renewal of the session and no work of Vault's own falls
// into a measurement.

import type { ProfileBody } from '../harness/sample-profiles.ts';
import { createWorld, type World } from '../harness/world.ts';

/** Makes the world with these profiles; ready for `most` tasks. */
export async function benchWorld(profiles: Record<string, ProfileBody>, most: number): Promise<World> {
  const world = await createWorld({
    leash: '1h',
    profiles,
    config: {
      limits: { tasks: most, tasks_per_uid: most, starts_per_minute: 1_000_000 },
      log: { level: 'warn' },
    },
  });
  try {
    // Else Vault makes the whole list of revoked certificates anew at each revocation, and is all that is measured.
    await world.vault.request('POST', 'pki/config/crl', { auto_rebuild: true });
    return world;
  } catch (error) {
    await world.close();
    throw error;
  }
}
