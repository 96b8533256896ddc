// Owns the shape of `approval` in a profile file (README, Approvals).

import * as z from 'zod';
import type { ApprovalRule } from '../domain/approval.ts';
import { absolutePath, duration, unixId } from './scalars.ts';

const COUNT = 'must be a whole number from 1 to 16';

export const approval = z
  .strictObject({
    required: z.boolean({ error: 'must be true or false' }),
    ttl: duration(1000, 86_400_000).default(600_000),
    approvers: z
      .array(unixId)
      .refine((uids) => new Set(uids).size === uids.length, 'names an approver twice')
      .default([]),
    count: z.number(COUNT).int(COUNT).min(1, COUNT).max(16, COUNT).default(1),
    public_keys: z.array(absolutePath).default([]),
  })
  .refine(
    ({ approvers, count, public_keys: keys }) =>
      approvers.length === 0 || keys.length > 0 || approvers.length >= count,
    {
      path: ['count'],
      message: 'is more than there are approvers',
    },
  );

export const approvalRule = (rule: z.infer<typeof approval> | undefined): ApprovalRule | undefined =>
  rule?.required === true
    ? { ttlMs: rule.ttl, approvers: rule.approvers, count: rule.count, publicKeys: rule.public_keys }
    : undefined;
