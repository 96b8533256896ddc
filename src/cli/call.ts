// Owns what client commands have in common: ask the agent once, print the answer, choose the exit code.
// Invariant: with --output json, stdout holds exactly the API's body, that of a refusal too.

import type { Output } from './args.ts';
import { expectOk, type Reply } from './client.ts';
import { Exit } from './command.ts';
import { print, say } from './output.ts';

/**
 * Prints a reply: `table` makes it readable, json passes it on.
 * @throws Refused when the status is not 2xx.
 */
export function show(reply: Reply, output: Output, table: (body: unknown) => string): void {
  if (output === 'json') print(reply.text);
  expectOk(reply);
  if (output === 'table') print(table(reply.body));
}

/** 0, or 4 with `pendingText` on stderr when the agent answered 202: revocation is still under way. */
export function stopExit(reply: Reply, pendingText: string): number {
  if (reply.status !== 202) return Exit.ok;
  say(pendingText);
  return Exit.pending;
}

/** How long a client waits for an answer that the agent gives within `waitMs`: some slack for a busy host. */
export const withSlack = (waitMs: number): number => waitMs + 10_000;
