// Owns the shape of the conditions under `allow` of a profile, beside uids and gids.

import * as z from 'zod';
import { parseWindow } from '../domain/window.ts';

const pathPattern = z
  .string({ error: 'must be a path such as /usr/bin/node' })
  .regex(/^\/[^\0]*$/, 'must be an absolute path, where * stops at / and ** does not');

/** One or several. */
const pathPatterns = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(pathPattern).min(1, 'needs at least one path'),
);

/** Conditions on the calling process. */
export const where = z
  .strictObject({ exe: pathPatterns.optional(), cgroup: pathPatterns.optional() })
  .refine(({ exe, cgroup }) => exe !== undefined || cgroup !== undefined, 'needs exe or cgroup');

const window = z
  .string({ error: 'must be hours of the day like "01:00-04:00 UTC"' })
  .transform((text, context) => {
    const parsed = parseWindow(text);
    if (parsed !== null) return parsed;
    context.addIssue({ code: 'custom', message: 'must be hours of the day like "01:00-04:00 UTC"' });
    return z.NEVER;
  });

/** When tasks of the profile may live. */
export const when = z.strictObject({ window });
