// The executable: the command line and the commands that are more than clients of the socket.

import { main } from './cli/commands.ts';

const MAJOR = 24;
if (Number.parseInt(process.versions.node, 10) < MAJOR) {
  process.stderr.write(
    `tasklease: Node.js ${MAJOR} or newer is needed, but this is ${process.versions.node}; run the command itself, which looks for one, or install it from https://nodejs.org\n`,
  );
  process.exit(process.argv[2] === 'run' ? 125 : 69);
}

process.exitCode = await main(process.argv.slice(2), {
  agent: () => import('./commands/agent.ts'),
  audit: () => import('./commands/audit.ts'),
  policy: () => import('./commands/policy/policy.ts'),
  init: () => import('./commands/init.ts'),
  explain: () => import('./commands/explain.ts'),
  doctor: () => import('./commands/doctor.ts'),
  dev: () => import('./commands/dev.ts'),
});
process.exit();
