// Owns a machine that nobody takes down: the program is killed. It prints the machine's directory.

import { startMachine } from './machine.ts';

const machine = await startMachine();
await machine.launch('busy', ['sleep', '600'], 'machine');
await machine.launch('control', ['sleep', '600'], 'network');
console.log(machine.directory);
setInterval(() => undefined, 60_000);
