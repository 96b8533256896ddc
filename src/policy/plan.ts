// Owns what would change at Vault to have what profiles need: which policies and roles are made, changed or left. Invariant:
// nothing is deleted; a policy that was not made here is kept, unless it is said that it may be replaced.

import { printHcl } from './hcl-print.ts';
import type { Kit } from './kit.ts';
import { msOf } from './lint-roles.ts';
import type { Role } from './roles.ts';
import { changedLines, textDiff } from './text-diff.ts';

/** What Vault has now; null for what it has not. */
export interface Current {
  readonly policies: ReadonlyMap<string, string | null>;
  readonly roles: ReadonlyMap<string, Readonly<Record<string, unknown>> | null>;
  /** Auth mounts and secrets engines that are there. */
  readonly mounts: ReadonlySet<string>;
}

export interface Change {
  readonly does: 'enable' | 'create' | 'change' | 'keep';
  /** Policy or role, for people. */
  readonly what: string;
  /** What is sent; absent for what is kept. */
  readonly request?: { readonly path: string; readonly body: Readonly<Record<string, unknown>> };
  /** Lines that begin with `+` or `-`, and what is around them. */
  readonly lines: readonly string[];
}

export interface Wanted {
  readonly kit: Kit;
  /** A KV version 2 mount that has to be there. */
  readonly usesMount: string | null;
  readonly takeOver: boolean;
}

export function planOf({ kit, usesMount, takeOver }: Wanted, current: Current): Change[] {
  const mounts = kit.roles
    .filter(({ file }) => file === 'approle.json')
    .map(({ path }) => path.replace(/\/role\/.*$/, ''))
    .filter((mount) => !current.mounts.has(mount))
    .map(
      (mount): Change => ({
        does: 'enable',
        what: `auth mount ${mount}`,
        request: { path: `sys/${mount}`, body: { type: 'approle' } },
        lines: [],
      }),
    );
  const uses: Change[] =
    usesMount === null || current.mounts.has(usesMount)
      ? []
      : [
          {
            does: 'enable',
            what: `secrets engine ${usesMount}`,
            request: { path: `sys/mounts/${usesMount}`, body: { type: 'kv', options: { version: '2' } } },
            lines: [],
          },
        ];
  return [
    ...mounts,
    ...uses,
    ...kit.policies.flatMap(({ policy }) =>
      policyChange(policy.name, printHcl(policy), current.policies.get(policy.name) ?? null, takeOver),
    ),
    ...kit.roles.flatMap((role) => roleChange(role, current.roles.get(role.path) ?? null)),
  ];
}

/** As the files of vault-policies/ and everything made here begin. */
const isOurs = (name: string, text: string): boolean => text.trimStart().startsWith(`# Policy "${name}"`);

function policyChange(name: string, text: string, before: string | null, takeOver: boolean): Change[] {
  const what = `policy ${name}`;
  if (before?.trim() === text.trim()) return [];
  const request = { path: `sys/policies/acl/${name}`, body: { policy: text } };
  if (before === null)
    return [
      {
        does: 'create',
        what,
        request,
        lines: text
          .trimEnd()
          .split('\n')
          .map((line) => `+ ${line}`.trimEnd()),
      },
    ];
  const lines = changedLines(textDiff(before.trim(), text.trim()));
  if (isOurs(name, before) || takeOver) return [{ does: 'change', what, request, lines }];
  return [
    { does: 'keep', what: `${what}, which was not made by tasklease (--take-over replaces it)`, lines },
  ];
}

/** What a role may have beside what is asked for, and would be wider or break a promise: set back. */
const RESET: Readonly<Record<string, unknown>> = {
  ...{ allowed_policies: [], allowed_policies_glob: [], allowed_entity_aliases: [] },
  ...{
    token_num_uses: 0,
    token_period: 0,
    token_explicit_max_ttl: 0,
    token_max_ttl: 0,
    period: 0,
    explicit_max_ttl: 0,
  },
};

function roleChange({ path, body }: Role, before: Readonly<Record<string, unknown>> | null): Change[] {
  const what = `role ${path}`;
  const show = (sign: string, key: string, value: unknown) => `${sign} ${key} = ${JSON.stringify(value)}`;
  if (before === null) {
    return [
      {
        does: 'create',
        what,
        request: { path, body },
        lines: Object.entries(body).map(([key, value]) => show('+', key, value)),
      },
    ];
  }
  const back = Object.entries(RESET).filter(
    ([key, value]) => !Object.hasOwn(body, key) && !same(key, before[key], value),
  );
  const wanted = { ...body, ...Object.fromEntries(back) };
  const lines = Object.entries(wanted).flatMap(([key, value]) =>
    same(key, before[key], value) ? [] : [show('-', key, before[key] ?? null), show('+', key, value)],
  );
  return lines.length === 0 ? [] : [{ does: 'change', what, request: { path, body: wanted }, lines }];
}

/** Vault answers with seconds, null for empty lists, and lists in its own order. */
function same(key: string, has: unknown, wanted: unknown): boolean {
  if (/(?:_ttl|period)$/.test(key)) return msOf(has) === msOf(wanted);
  if (Array.isArray(wanted)) {
    const list = Array.isArray(has) ? has : [];
    return JSON.stringify([...list].sort()) === JSON.stringify([...wanted].sort());
  }
  if (wanted !== null && typeof wanted === 'object') {
    const [a, b] = [(has ?? {}) as Record<string, unknown>, wanted as Record<string, unknown>];
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].every((each) => JSON.stringify(a[each]) === JSON.stringify(b[each]));
  }
  return (has ?? (typeof wanted === 'number' ? 0 : undefined)) === wanted;
}
