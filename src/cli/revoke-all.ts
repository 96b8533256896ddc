// Owns `tasklease revoke-all`, the kill switch.

import { stopAll } from './admin-stop.ts';
import type { Command } from './command.ts';
import { revokeAllUsage } from './help.ts';

export const command: Command = {
  usage: revokeAllUsage,
  run: (args) => stopAll('revoke-all', args),
};
