// Owns the shape of `ledger` in agent.yaml (README, Ledger).

import * as z from 'zod';
import { absolutePath, duration } from './scalars.ts';

const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const DAY_MS = 86_400_000;
const NEVER_MS = 3650 * DAY_MS;

/** A size such as `64MiB`; bytes after parsing. */
const size = (minBytes: number) =>
  z
    .string({ error: 'must be a size like 64MiB or 1GiB' })
    .regex(/^\d{1,6}(?:KiB|MiB|GiB)$/, 'must be a size like 64MiB or 1GiB')
    .transform((text) => Number.parseInt(text, 10) * UNITS[text.slice(-3) as keyof typeof UNITS])
    .refine((bytes) => bytes >= minBytes, `must be at least ${minBytes / 2 ** 10}KiB`);

export const ledger = z.strictObject({
  /** False breaks the promise that all is on record; for measurements. */
  enabled: z.boolean().default(true),
  /** Records as JSON lines, for a log shipper. */
  facts: z
    .union([z.literal('stdout'), absolutePath], { error: 'must be stdout or an absolute path' })
    .optional(),
  heads_file: absolutePath.optional(),
  heads_stdout: z.boolean().default(false),
  head_every: z.number().int().min(1).max(100_000).default(256),
  head_after: duration(1000, DAY_MS).default(60_000),
  segment: z
    .strictObject({
      size: size(64 * 2 ** 10).default(64 * 2 ** 20),
      age: duration(60_000, NEVER_MS).default(7 * DAY_MS),
    })
    .prefault({}),
  retain: z
    .strictObject({
      size: size(64 * 2 ** 10).default(2 ** 30),
      age: duration(60_000, NEVER_MS).default(NEVER_MS),
    })
    .prefault({}),
  /** Where files go that are not retained; where absent, they are deleted. */
  archive_dir: absolutePath.optional(),
  key_age: duration(60_000, NEVER_MS).default(90 * DAY_MS),
});
