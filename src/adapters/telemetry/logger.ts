// Owns the log: JSON lines on stderr (pino). Invariant: only fields that callers name; values that look
// like Vault tokens are masked as a second net.

import pino from 'pino';
import type { Level } from '../../ports/telemetry.ts';
import { prettySink } from './pretty.ts';
import { openStderr } from './stderr.ts';

export interface Log {
  (level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Most facts are not worth a line: what nobody reads is not made either. */
  readonly writes: (level: Level) => boolean;
  readonly setLevel: (level: Level) => void;
}

// Vault's token prefixes (developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes).
const TOKEN = /\b(?:hv[sbr]|s|b|r)\.[A-Za-z0-9_-]{20,}/g;

/** What a line is about, for programs: a fact's type, or the words with dashes. The words of a line are its contract. */
const idOf = (message: string): string => message.toLowerCase().replace(/[^a-z0-9.]+/g, '-');

/** @param forPeople lines to read instead of JSON */
export function openLog(level: Level, forPeople = false): Log {
  const logger = pino(
    { level, base: { name: 'tasklease', pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    forPeople ? prettySink(openStderr()) : openStderr(),
  );
  const writes = (at: Level): boolean => logger.isLevelEnabled(at);
  const log = (at: Level, message: string, fields?: Readonly<Record<string, unknown>>): void => {
    if (writes(at)) logger[at]({ msg_id: idOf(message), ...masked(fields ?? {}) }, message);
  };
  const setLevel = (to: Level): void => {
    logger.level = to;
  };
  return Object.assign(log, { writes, setLevel });
}

const masked = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === 'string' ? value.replace(TOKEN, '[masked]') : value,
    ]),
  );
