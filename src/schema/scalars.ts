// Owns the small value types that configuration, profiles and signals share.

import * as z from 'zod';
import { formatDuration, parseDuration } from '../domain/duration.ts';

/** A duration such as `90s`; milliseconds after parsing. */
export const duration = (minMs = 0, maxMs = Number.POSITIVE_INFINITY) =>
  z
    .string({ error: 'must be a duration like 90s, 10m or 1h' })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms === null) {
        context.addIssue({ code: 'custom', message: 'must be a duration like 90s, 10m or 1h' });
        return z.NEVER;
      }
      if (ms < minMs || ms > maxMs) {
        const range =
          maxMs === Number.POSITIVE_INFINITY
            ? `at least ${formatDuration(minMs)}`
            : `between ${formatDuration(minMs)} and ${formatDuration(maxMs)}`;
        context.addIssue({ code: 'custom', message: `must be ${range}` });
        return z.NEVER;
      }
      return ms;
    })
    .meta({
      description: 'a duration such as 90s, 10m or 1h30m',
      pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$',
    });

/** File permission bits as an octal string, such as "0440". */
export const fileMode = z
  .string({ error: 'must be an octal mode in quotes, like "0440"' })
  .regex(/^0?[0-7]{3}$/, 'must be an octal mode in quotes, like "0440"')
  .transform((text) => Number.parseInt(text, 8));

export const absolutePath = z
  .string({
    error: ({ input }) =>
      input === undefined ? 'is missing: give an absolute path' : 'must be an absolute path',
  })
  .regex(/^\/[^\0]*$/, 'must be an absolute path')
  .refine((path) => !path.split('/').includes('..'), 'must not contain ".."');

/** A file with a credential. What systemd's credentials are named by has become a path before (agent-settings). */
export const credentialFile = z
  .string({ error: 'is missing: give an absolute path' })
  .refine(
    (path) => path.startsWith('/'),
    'must be an absolute path, or the name of a credential of systemd (LoadCredential=), which needs CREDENTIALS_DIRECTORY in the environment',
  )
  .pipe(absolutePath);

export const unixId = z.number().int().min(0).max(4_294_967_294);

const SEGMENTS = /^[A-Za-z0-9._~@:=,-]+(?:\/[A-Za-z0-9._~@:=,-]+)*$/;

/** Whether vaultName would take it, without the work of saying why not. */
export const isVaultName = (path: string): boolean =>
  SEGMENTS.test(path) && !path.includes('..') && !/(?:^|\/)\.(?:\/|$)/.test(path);

/** A Vault mount, role or namespace path: segments of safe characters. */
export const vaultName = z
  .string()
  .regex(SEGMENTS, 'must be a Vault path without empty segments')
  .refine((path) => !path.includes('..'), 'must not contain ".."')
  .refine((path) => !path.split('/').includes('.'), 'must not contain a "." segment');

/** What params and secrets are called. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'must be letters, digits, underscores and hyphens');
