// Owns the shape of a profile file (README, Profiles) and its step to the domain's Profile.
// Invariant: a condition that this version cannot honour is refused: ignoring it would hand out more than
// the author meant.

import * as z from 'zod';
import type { ProfileName } from '../domain/ids.ts';
import { isSegment } from '../domain/ids.ts';
import type { Profile } from '../domain/profile.ts';
import { approval, approvalRule } from './approval.ts';
import { assertionRule, claimName, toAssertionRule } from './assertion-rule.ts';
import { when, where } from './conditions.ts';
import { defined } from './defined.ts';
import { fileSlotFaults, owner, profileModeFault } from './file-rule.ts';
import { probeRule, ready } from './ready.ts';
import { duration, fileMode, identifier, unixId } from './scalars.ts';
import { secretRule, toSecretRule } from './secret-rule.ts';
import { requirement } from './secret-terms.ts';
import { profileNameSchema } from './signal.ts';
import { slotFaults } from './slots.ts';
import { vaultAccess } from './vault-access.ts';

const pattern = z.string().refine((source) => {
  try {
    // Alone: inside a group, "a)|(b" would be valid and match anything that begins with a.
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}, 'must be a regular expression');

const paramRule = z
  .strictObject({
    enum: z.array(z.string().refine(isSegment, 'must be one path segment')).min(1).optional(),
    pattern: pattern.optional(),
    optional: z.boolean().default(false),
    claim: claimName.optional(),
  })
  .refine((rule) => rule.enum !== undefined || rule.pattern !== undefined, 'needs an enum or a pattern');

/** What a program may take as "read your files again"; `tasklease run` hands all of them on (signal(7)). */
const CHANGE_SIGNALS = [
  ...['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'],
  ...['SIGTERM', 'SIGINT', 'SIGQUIT'], // for programs that are started anew
];

const changeSignal = z.string().superRefine((name, context) => {
  if (CHANGE_SIGNALS.includes(name)) return;
  const uncatchable = /^(?:SIG)?(?:KILL|STOP)$/i.test(name);
  const message = uncatchable
    ? 'is a signal that no program can react to: take one like SIGHUP or SIGUSR1'
    : `must be one of ${CHANGE_SIGNALS.join(', ')}`;
  context.addIssue({ code: 'custom', message });
});

const profileShape = z.strictObject({
  profile: profileNameSchema,
  description: z.string().default(''),
  allow: z
    .strictObject({
      uids: z.array(unixId).default([]),
      gids: z.array(unixId).default([]),
      where: where.optional(),
      when: when.optional(),
      assertion: assertionRule.optional(),
    })
    .prefault({}),
  event: z
    .strictObject({ required: z.boolean().default(false), types: z.array(z.string().min(1)).default([]) })
    .prefault({}),
  params: z.record(identifier, paramRule).default({}),
  ttl: z
    .strictObject({
      default: duration(1000).default(600_000),
      max: duration(1000, 86_400_000 * 31).default(3_600_000),
      grace: duration(0, 3_600_000).default(15_000),
      extend: z.boolean().default(false),
    })
    .prefault({})
    .refine((ttl) => ttl.default <= ttl.max, { path: ['default'], message: 'is longer than max' }),
  vault: vaultAccess,
  approval: approval.optional(),
  children: z.array(profileNameSchema).default([]),
  bind: z.enum(['optional', 'required'], { error: 'must be optional or required' }).default('optional'),
  owner: owner.optional(),
  mode: fileMode.optional(),
  unsafe: z.boolean().default(false),
  require: requirement,
  secrets: z
    .record(identifier, secretRule)
    .refine((all) => Object.keys(all).length > 0, 'needs at least one secret'),
  ready: ready.optional(),
  on_change: z.strictObject({ signal: changeSignal }).optional(),
  overlap: duration(0, 3_600_000).default(30_000),
});

export const profileFile = profileShape.superRefine((profile, context) => {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  if (profile.mode !== undefined && (profile.mode & 0o007) !== 0 && !profile.unsafe) {
    complain(['mode'], 'is readable by everybody: say unsafe: true if that is meant');
  }
  if (profile.vault.mode === 'jwt' && profile.allow.assertion === undefined) {
    complain(['vault', 'mode'], 'needs an assertion to log in with: describe it under allow.assertion');
  }
  for (const [param, { claim }] of Object.entries(profile.params)) {
    if (claim === undefined || profile.allow.assertion !== undefined) continue;
    complain(
      ['params', param, 'claim'],
      'needs an assertion to take it from: describe it under allow.assertion',
    );
  }
  const checkSlots = (path: (string | number)[], template: string) => {
    for (const fault of slotFaults(template, profile.params)) complain(path, fault);
  };
  checkSlots(['vault', 'entity_alias'], profile.vault.entity_alias ?? '');
  if (profile.ready !== undefined) {
    const { secret, address } = profile.ready;
    checkSlots(['ready', 'address'], address);
    if (secret !== undefined && !Object.hasOwn(profile.secrets, secret))
      complain(['ready', 'secret'], `names secret ${secret}, which is not under secrets`);
  }
  const seen = new Set<string>();
  for (const [secret, rule] of Object.entries(profile.secrets)) {
    checkSlots(['secrets', secret, 'path'], rule.path);
    if (profile.require === 'revocable' && rule.revoke === 'none') {
      complain(['secrets', secret, 'revoke'], "contradicts the profile's require: revocable: take one out");
    }
    for (const text of strings(rule.body)) checkSlots(['secrets', secret, 'body'], text);
    for (const [file, fileRule] of Object.entries(rule.files)) {
      for (const { key, fault } of fileSlotFaults(fileRule, profile.params)) {
        complain(['secrets', secret, 'files', file, key], fault);
      }
      const modeFault = profileModeFault(fileRule, profile.mode);
      if (modeFault !== null) complain(['secrets', secret, 'files', file], modeFault);
      if (seen.has(file)) complain(['secrets', secret, 'files', file], 'is made by another secret too');
      seen.add(file);
    }
  }
});

const strings = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(strings) : [];
};

type ProfileFile = z.infer<typeof profileFile>;

/** The domain's profile from a parsed file. */
export function toProfile(file: ProfileFile): Profile {
  return {
    name: file.profile as ProfileName,
    description: file.description,
    allow: {
      uids: file.allow.uids,
      gids: file.allow.gids,
      ...defined({
        where: file.allow.where && defined(file.allow.where),
        window: file.allow.when?.window,
        assertion: file.allow.assertion && toAssertionRule(file.allow.assertion),
      }),
    },
    event: file.event,
    params: Object.fromEntries(Object.entries(file.params).map(([key, rule]) => [key, defined(rule)])),
    ttl: {
      defaultMs: file.ttl.default,
      maxMs: file.ttl.max,
      graceMs: file.ttl.grace,
      extend: file.ttl.extend,
    },
    policies: file.vault.policies,
    ...loginOf(file.vault),
    bind: file.bind,
    children: file.children,
    overlapMs: file.overlap,
    ...defined({
      approval: approvalRule(file.approval),
      entityAlias: file.vault.entity_alias,
      owner: file.owner,
      mode: file.mode,
      ready: file.ready && probeRule(file.ready),
      onChange: file.on_change?.signal,
    }),
    secrets: Object.entries(file.secrets).map(([key, rule]) => ({
      ...toSecretRule(key, rule),
      ...defined({ require: rule.require ?? file.require }),
    })),
  };
}

const loginOf = ({ mode, mount = 'jwt', role, claims }: ProfileFile['vault']): Pick<Profile, 'login'> =>
  mode === 'child' ? {} : { login: { mount, role: role!, ...defined({ claims }) } };
