// Owns the step from a failure to what the user reads and the exit code (README, Command line).

import { asksAdmin } from './args.ts';
import { Exit } from './command.ts';
import { AgentUnreachable, Refused, UsageError } from './failure.ts';
import { say } from './output.ts';
import * as voice from './voice.ts';

/** Says on stderr what failed, and answers the exit code of a client command. */
export function report(command: string, error: unknown): number {
  if (error instanceof UsageError) {
    say(voice.usageError(error.message, error.next ?? voice.tryCommand(command)));
    return Exit.usage;
  }
  if (error instanceof AgentUnreachable) {
    say(voice.unreachable(error.socketPath, error.code, asksAdmin(command)));
    return Exit.unreachable;
  }
  if (error instanceof Refused) {
    say(voice.problem(error.problem, command));
    return Exit.failed;
  }
  say(voice.unexpected(error instanceof Error ? error.message : String(error)));
  return Exit.failed;
}
