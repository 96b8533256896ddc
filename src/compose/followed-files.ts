// Owns which files are followed while the agent runs, beside the profiles: agent.yaml, what connections to Vault are made
// with, and the issuers' keys. Invariant: looked at soon after something happens in their directories, and every few
// seconds in any case.

import { dirname } from 'node:path';
import type { KeySources } from '../adapters/assertion/key-source.ts';
import type { Settings } from '../adapters/settings/agent-settings.ts';
import { followSettings } from '../adapters/settings/follow-settings.ts';
import { STILL_MS, watchFiles } from '../adapters/settings/watch.ts';
import type { Log } from '../adapters/telemetry/logger.ts';
import type { FileNews } from '../domain/last-good.ts';
import type { ProfileBook } from '../engine/profile-book.ts';
import { vaultOptions } from './vault.ts';

export interface Followed {
  readonly settings: Settings;
  readonly profiles: ProfileBook;
  readonly keys: KeySources;
  /** Looks at the files of the connections; true while they may be changing still. */
  readonly lookAtTls: () => boolean;
  readonly news: FileNews;
  readonly log: Log;
}

/** Returns how to stop. */
export function followFiles({
  settings,
  profiles,
  keys,
  lookAtTls,
  news,
  log,
}: Followed): () => Promise<void> {
  const { file, config, environment } = settings;
  const lookAtSettings = followSettings(file, settings, process.env, {
    news,
    level: (level) => {
      log.setLevel(level);
      log('info', 'log level follows agent.yaml', { level });
    },
    waiting: (waiting) => {
      const changed = waiting.join(', ');
      log('warn', 'agent.yaml needs a restart', {
        changed,
        detail: `changed: ${changed}; takes effect at the next start`,
      });
    },
  });
  const lookAtKeys = () => {
    for (const name of profiles.names()) {
      const rule = profiles.get(name).allow.assertion;
      if (rule !== undefined) keys.look(rule.keys);
    }
  };
  const { caFile, clientCertFile, clientKeyFile } = vaultOptions(config, environment);
  const files = [file, caFile, clientCertFile, clientKeyFile].filter((each) => each !== undefined);
  const look = () => {
    lookAtKeys();
    const wait = [lookAtSettings(), lookAtTls()].includes(true);
    if (wait) watching.soon(STILL_MS);
  };
  const watching = watchFiles(
    files.map((each) => dirname(each)),
    look,
    // Every few seconds is soon enough for these.
    (why) => log('warn', 'changes of files are seen a few seconds late', { why }),
  );
  look();
  return () => watching.close();
}
