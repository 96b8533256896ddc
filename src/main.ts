// The executable: the command line and the two commands that are more than clients of the socket.

import { main } from './cli/commands.ts';

process.exitCode = await main(process.argv.slice(2), {
  agent: () => import('./agent-command.ts'),
  dev: () => import('./dev-command.ts'),
});
process.exit();
