// Owns the JSON Schemas of what people write: configuration, profiles, start bodies. Invariant: made from the very schemas
// that the agent reads with, so an editor takes what the agent takes; what only the agent can tell is left to it.

import * as z from 'zod';
import { agentConfig } from './config.ts';
import { profileFile } from './profile-file.ts';
import { startBody } from './signal.ts';

type Json = Record<string, unknown>;

const SUBJECTS = {
  agent: { schema: agentConfig, title: 'tasklease agent: its configuration' },
  profile: { schema: profileFile, title: 'tasklease profile: what a kind of task may have' },
  start: { schema: startBody, title: 'tasklease start: the body of PUT /v1/tasks/{task}' },
} as const;

export type Subject = keyof typeof SUBJECTS;

export const SUBJECT_NAMES = Object.keys(SUBJECTS) as Subject[];

/** Draft 7, which the language servers of editors read. */
export function jsonSchema(subject: Subject): Json {
  const { schema, title } = SUBJECTS[subject];
  const made = convert(schema);
  if (subject === 'agent') {
    // The environment may bring it (VAULT_ADDR).
    const vault = (made.properties as Record<string, Json>).vault!;
    vault.required = (vault.required as string[]).filter((key) => key !== 'address');
  }
  return { $schema: 'http://json-schema.org/draft-07/schema#', title, ...made };
}

function convert(schema: z.core.$ZodType): Json {
  const { $schema: _draft, ...made } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: at }) => {
      const { def } = zodSchema._zod;
      if (def.type !== 'pipe') return;
      const { in: first, out } = def as z.core.$ZodPipeDef;
      // What is put in shape before it is checked: zod has no word for that, the checked shape is the answer.
      if (first._zod.def.type !== 'transform') return;
      for (const key of Object.keys(at)) delete at[key as keyof typeof at];
      Object.assign(at, oneOrSeveral(convert(out)));
    },
  });
  return made as Json;
}

/** Lists that are written as one value where there is but one. */
const oneOrSeveral = (made: Json): Json => (made.type === 'array' ? { anyOf: [made.items, made] } : made);
