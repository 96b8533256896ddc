// Owns what doctor looks at: an agent's configuration, its profiles and, where one runs, the agent itself.

import type { Settings } from '../../adapters/settings/agent-settings.ts';
import type { Profile } from '../../domain/profile.ts';

export interface Subject {
  readonly file: string;
  readonly settings: Settings;
  readonly profiles: readonly Profile[];
  /** Of the agent that runs on these directories; null where none is seen. */
  readonly pid: number | null;
  /** Who the agent is, or will be. */
  readonly uid: number;
}
