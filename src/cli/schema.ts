// Owns `tasklease schema`: JSON Schemas that editors complete and check YAML with.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchema, SUBJECT_NAMES, type Subject } from '../schema/json-schema.ts';
import { parse } from './args.ts';
import { type Command, Exit } from './command.ts';
import { UsageError } from './failure.ts';
import { print } from './output.ts';

const usage = `Usage: tasklease schema agent|profile|start
       tasklease schema --out DIR

Print the JSON Schema of the configuration, of profiles, or of start bodies; or write all three.

Examples:
  tasklease schema profile > profile.json
  tasklease schema --out /etc/tasklease/schema

An editor with the YAML language server takes it from the first line of a file:
  # yaml-language-server: $schema=/etc/tasklease/schema/profile.json

Options:
  --out DIR    write agent.json, profile.json and start.json into DIR
  -h, --help   this text

Exit code: 0 ok, 1 failed, 2 usage
`;

export const command: Command = {
  usage,
  async run(args) {
    const { values, words } = parse('schema', args, { out: { type: 'string' } }, ['NAME']);
    const [name] = words;
    const example = 'tasklease schema profile';
    if (values.out !== undefined) {
      if (name !== undefined) throw new UsageError('--out writes all of them: leave the name out', example);
      mkdirSync(values.out, { recursive: true });
      for (const each of SUBJECT_NAMES) writeFileSync(join(values.out, `${each}.json`), text(each));
      print(`${SUBJECT_NAMES.map((each) => `${each}.json`).join(', ')} are in ${values.out}\n`);
      return Exit.ok;
    }
    if (!SUBJECT_NAMES.includes(name as Subject)) {
      throw new UsageError(`name one schema: ${SUBJECT_NAMES.join(', ')}`, example);
    }
    print(text(name as Subject));
    return Exit.ok;
  },
};

const text = (subject: Subject): string => `${JSON.stringify(jsonSchema(subject), null, 2)}\n`;
