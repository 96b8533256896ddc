// Owns `tasklease audit keys`: the public keys that receipts and the ledger are verified with, to be published.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '../../cli/args.ts';
import { type Command, Exit } from '../../cli/command.ts';
import { print } from '../../cli/output.ts';
import { keysIn } from './keys-file.ts';
import { ledgerPath, placeOptions, placeUsage } from './options.ts';

export const command: Command = {
  usage: `Usage: tasklease audit keys [options]

The public keys of the ledger as a JWK set, oldest first: keep it where the agent's host cannot change it, and give it to
"tasklease audit verify --keys", or to any library that verifies a receipt's jws (EdDSA).

Examples:
  tasklease audit keys > tasklease-keys.json
  tasklease audit keys --ledger export.jsonl

Options:
${placeUsage}

Exit code: 0 ok, 1 failed, 2 usage
`,
  async run(args) {
    const { values } = parse('audit keys', args, { ...placeOptions, help: { type: 'boolean', short: 'h' } });
    const path = await ledgerPath(values);
    const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() !== false;
    const keys = keysIn(isDirectory ? join(path, 'keys.json') : path);
    print(JSON.stringify({ keys: keys.map((key) => ({ ...key, alg: 'EdDSA', use: 'sig' })) }, null, 2));
    return Exit.ok;
  },
};
