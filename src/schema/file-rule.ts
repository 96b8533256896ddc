// Owns how a profile describes one file: its format, what goes into it, who may read it.

import * as z from 'zod';
import { hasStrayBraces } from '../domain/template.ts';
import { fileMode, unixId } from './scalars.ts';

export const fileName = z
  .string()
  .regex(/^[A-Za-z0-9_.][A-Za-z0-9_.@-]{0,127}$/, 'must be a plain file name')
  .refine((text) => text !== '.' && text !== '..' && text !== 'manifest.json', 'is reserved');

export const owner = z.strictObject({ uid: unixId, gid: unixId });

export const fileRule = z
  .strictObject({
    format: z.enum(['json', 'dotenv', 'raw', 'template'], {
      error: 'must be json, dotenv, raw or template (the ready-made formats are not in this version)',
    }),
    fields: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'must be a variable name'), z.string().min(1))
      .optional(),
    field: z.string().min(1).optional(),
    template: z.string().optional(),
    mode: fileMode.optional(),
    owner: owner.optional(),
    unsafe: z.boolean().default(false),
  })
  .refine((rule) => (rule.format === 'raw') === (rule.field !== undefined), {
    path: ['field'],
    message: 'belongs to format raw, which needs it',
  })
  .refine((rule) => (rule.format === 'template') === (rule.template !== undefined), {
    path: ['template'],
    message: 'belongs to format template, which needs it',
  })
  .refine((rule) => rule.fields === undefined || rule.format === 'json' || rule.format === 'dotenv', {
    path: ['fields'],
    message: 'belongs to formats json and dotenv',
  })
  .refine((rule) => rule.template === undefined || !hasStrayBraces(rule.template), {
    path: ['template'],
    message: 'has braces that are not a {{field}}: templates have no logic',
  })
  .refine((rule) => rule.mode === undefined || (rule.mode & 0o007) === 0 || rule.unsafe, {
    path: ['mode'],
    message: 'is readable by everybody: say unsafe: true if that is meant',
  });
