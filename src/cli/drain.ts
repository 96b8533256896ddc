// Owns `tasklease drain`: no new task, and an end to those that run.

import { stopAll } from './admin-stop.ts';
import type { Command } from './command.ts';
import { drainUsage } from './help.ts';

export const command: Command = {
  usage: drainUsage,
  run: (args) => stopAll('drain', args),
};
