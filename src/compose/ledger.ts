// Owns what the configuration means for the ledger.

import { join } from 'node:path';
import type { LedgerOptions } from '../adapters/ledger/file-ledger.ts';
import { bootId } from '../adapters/system/host.ts';
import type { Clock } from '../ports/clock.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { AgentConfig } from '../schema/config.ts';

export const ledgerDirectory = ({ state_dir: stateDir }: AgentConfig): string => join(stateDir, 'ledger');

export function ledgerOptions(
  config: AgentConfig,
  clock: Clock,
  log: Telemetry['log'],
  version: string,
): LedgerOptions {
  const { segment, retain, archive_dir: archive, facts, heads_file: headsFile } = config.ledger;
  return {
    dir: ledgerDirectory(config),
    version,
    bootId: bootId(),
    now: () => clock.now(),
    log,
    headEvery: config.ledger.head_every,
    headAfterMs: config.ledger.head_after,
    keyAgeMs: config.ledger.key_age,
    retention: {
      segmentBytes: segment.size,
      segmentMs: segment.age,
      bytes: retain.size,
      ms: retain.age,
      ...(archive === undefined ? {} : { archive }),
    },
    copies: {
      headsStdout: config.ledger.heads_stdout,
      ...(facts === undefined ? {} : { facts }),
      ...(headsFile === undefined ? {} : { headsFile }),
    },
  };
}
