// Owns the bodies that callers send. Invariant: strict; what is not listed is refused by name.

import * as z from 'zod';
import { isProfileName, isTaskId, TASK_ID_RULE } from '../domain/ids.ts';
import { absolutePath, duration } from './scalars.ts';

const text = (max: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must not be longer than ${max} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'must not contain control characters');

export const taskIdSchema = z.string().refine(isTaskId, `must be ${TASK_ID_RULE}`);

export const profileNameSchema = z
  .string({ error: 'must be the name of a profile' })
  .refine(isProfileName, 'must be the name of a profile: letters, digits, dots, underscores and hyphens');

const BINDS = 'must be {"pid": N}, {"cgroup": "/path"} or {"connection": true}';

const PID = 'must be a process id, a whole number from 1 on';

const bind = z
  .union(
    [
      // First: its own words are told where only the path is wrong.
      z.strictObject({ cgroup: absolutePath.max(4096, 'must not be longer than 4096 characters') }),
      z.strictObject({ pid: z.number(PID).int(PID).min(1, PID).max(4_194_304, PID) }),
      z.strictObject({ connection: z.literal(true) }),
    ],
    { error: ({ input }) => (onlyKey(input) === 'cgroup' ? undefined : BINDS) },
  )
  .describe('what the task is bound to: when it ends, the task is stopped');

const onlyKey = (value: unknown): string | null => {
  const keys = value !== null && typeof value === 'object' ? Object.keys(value) : [];
  return keys.length === 1 ? keys[0]! : null;
};

export const businessEvent = z.strictObject({ type: text(64), id: text(256) });

const COMPACT = 'must be a signed JWT: three parts of base64url with dots between them';

/** A JWS in compact serialization (RFC 7515 §3.1). */
const assertion = z
  .string({ error: COMPACT })
  .max(32_768, 'must not be longer than 32768 characters')
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/, COMPACT)
  .describe('the JWT that the orchestrator signed for this one task');

export const startBody = z
  .strictObject({
    profile: profileNameSchema,
    params: z.record(z.string().max(64), text(255)).default({}),
    duration: duration(0).optional(),
    deadline: z.iso
      .datetime({ offset: true, error: 'must be an RFC 3339 time like 2026-11-22T10:15:00Z' })
      .optional(),
    event: businessEvent.optional(),
    bind: bind.optional(),
    assertion: assertion.optional(),
    parent: taskIdSchema.optional().describe('the task of the same caller that this one is a child of'),
  })
  .refine((body) => body.duration === undefined || body.deadline === undefined, {
    path: ['deadline'],
    message: 'stands for duration: give one of them',
  });

export type StartBody = z.infer<typeof startBody>;

/** Moves a deadline later by this much. */
export const extendBody = z.strictObject({ duration: duration(1000) });

/** An approver's word; with a digest it is for that very request and for no other. */
/** An approval with a signature, which anybody who may see the task can hand in. */
export const signedApproval = z.strictObject({ approve: z.literal(true).optional(), jwt: assertion });

export const approvalBody = z.strictObject({
  approve: z.boolean({ error: 'must be true or false' }),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the approval.digest of the task: 64 hexadecimal digits')
    .optional(),
  reason: text(256).optional(),
});

/** Gives a revocation up, with a reason that goes on record. */
export const abandonBody = z.strictObject({ reason: text(256) });

/** The first issue as one sentence: what, where. */
export function firstIssue(error: z.ZodError): { path: (string | number)[]; message: string } {
  const issue = deepest(error.issues[0]!);
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const own = issue.message.startsWith('Unrecognized') ? 'is not a known key' : issue.message;
    return { path: [...path, issue.keys[0]!], message: own };
  }
  return { path, message: plain(issue) };
}

type Issue = z.core.$ZodIssue;

function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue;
  const inner = issue.errors.flat()[0];
  return inner === undefined ? issue : deepest({ ...inner, path: [...issue.path, ...inner.path] } as Issue);
}

function plain(issue: Issue): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? 'is not a good name';
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return /received undefined/.test(issue.message) ? 'is missing' : `must be of type ${issue.expected}`;
  }
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid')) {
    return `must be ${issue.values.map(String).join(' or ')}`;
  }
  return issue.message;
}
