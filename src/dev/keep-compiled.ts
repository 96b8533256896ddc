// Owns what src/dev/save-code.ts has loaded before the executable: it writes V8's compiled code of the bundle, with all
// functions that ran until then, when the process ends. Invariant: whole or not at all.

import { renameSync, writeFileSync } from 'node:fs';
import vm from 'node:vm';

const to = process.env.TASKLEASE_DEV_COMPILED!;
delete process.env.TASKLEASE_DEV_COMPILED;
const { Script } = vm;

vm.Script = class extends Script {
  constructor(source: string, options: vm.ScriptOptions) {
    super(source, options);
    process.on('exit', () => {
      writeFileSync(`${to}.new`, this.createCachedData());
      renameSync(`${to}.new`, to);
    });
  }
};
