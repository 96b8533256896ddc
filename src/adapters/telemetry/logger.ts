// Owns the log: JSON lines on stderr (pino). Invariant: only fields that callers name; values that look
// like Vault tokens are masked as a second net.

import pino from 'pino';
import type { Level } from '../../ports/telemetry.ts';
import { openStderr } from './stderr.ts';

export interface Log {
  (level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Most facts are not worth a line: what nobody reads is not made either. */
  readonly writes: (level: Level) => boolean;
}

// Vault's token prefixes (developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes).
const TOKEN = /\b(?:hv[sbr]|s|b|r)\.[A-Za-z0-9_-]{20,}/g;

export function openLog(level: Level): Log {
  const logger = pino(
    { level, base: { name: 'tasklease', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    openStderr(),
  );
  const writes = (at: Level): boolean => logger.isLevelEnabled(at);
  const log = (at: Level, message: string, fields?: Readonly<Record<string, unknown>>): void => {
    if (writes(at)) logger[at](masked(fields ?? {}), message);
  };
  return Object.assign(log, { writes });
}

const masked = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === 'string' ? value.replace(TOKEN, '[masked]') : value,
    ]),
  );
