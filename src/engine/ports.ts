// The outside world of the engine as one typed object.

import type { Assertions } from '../ports/assertions.ts';
import type { Clock } from '../ports/clock.ts';
import type { Files } from '../ports/files.ts';
import type { Journal } from '../ports/journal.ts';
import type { Liveness } from '../ports/liveness.ts';
import type { Probes } from '../ports/probes.ts';
import type { SessionStore } from '../ports/session-store.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Vault } from '../ports/vault.ts';

export interface Ports {
  readonly clock: Clock;
  readonly assertions: Assertions;
  readonly vault: Vault;
  readonly files: Files;
  readonly journal: Journal;
  readonly liveness: Liveness;
  readonly probes: Probes;
  readonly sessionStore: SessionStore;
  readonly telemetry: Telemetry;
}
