// Owns streams of facts as NDJSON. Invariant: a stream shows its caller's own tasks only, and ends when
// its task is closed or its reader is gone or too slow.

import type { ServerResponse } from 'node:http';
import type { TaskId } from '../domain/ids.ts';
import type { Caller } from '../domain/task-spec.ts';
import type { FactStream } from '../engine/fact-stream.ts';

/** A reader this far behind is cut off: the agent does not keep facts for it. */
const MAX_BEHIND = 1024 * 1024;

export interface StreamOptions {
  readonly status: number;
  /** Null for every task of the caller. */
  readonly task: TaskId | null;
  /** The first line, before any fact. */
  readonly first?: unknown;
  /** True when no fact will follow the first line. */
  readonly over?: boolean;
  readonly onGone?: () => void;
}

export function streamFacts(
  response: ServerResponse,
  facts: FactStream,
  caller: Caller,
  options: StreamOptions,
): void {
  let over = false;
  // Counted per stream: a number of the whole agent would tell how much others do.
  let seq = 0;
  const write = (line: unknown) => {
    if (over) return;
    response.write(`${JSON.stringify(line)}\n`);
    if (response.writableLength > MAX_BEHIND) response.destroy();
  };
  const unlisten = facts.listen((told, owner) => {
    if (!caller.admin && owner !== caller.uid) return;
    if (options.task !== null && told.task !== options.task) return;
    seq += 1;
    write({ seq, ...told.fact });
    if (options.task !== null && told.type === 'grant.closed') end();
  });
  function end(): void {
    // Over before the reader is gone: a late `close` must not touch the next life of the same id.
    over = true;
    unlisten();
    response.end();
  }
  response.on('error', () => {});
  response.on('close', () => {
    unlisten();
    if (!over) options.onGone?.();
    over = true;
  });
  response.writeHead(options.status, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  response.flushHeaders();
  if (options.first !== undefined) write(options.first);
  if (options.over === true) end();
}
