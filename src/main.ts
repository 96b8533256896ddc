// The program that the executable loads: the command line and the commands that are more than clients of the socket.

import { main } from './cli/commands.ts';

void main(process.argv.slice(2), {
  agent: () => import('./commands/agent.ts'),
  audit: () => import('./commands/audit.ts'),
  policy: () => import('./commands/policy/policy.ts'),
  init: () => import('./commands/init.ts'),
  explain: () => import('./commands/explain.ts'),
  doctor: () => import('./commands/doctor.ts'),
  dev: () => import('./commands/dev.ts'),
}).then((code) => process.exit(code));
