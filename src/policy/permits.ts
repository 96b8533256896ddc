// Owns the question whether policies permit a request, by Vault's own rules
// (developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax; vault/acl.go). Invariant: what is called
// permitted here is permitted by Vault with these policies; sudo and namespaces aside.

import { type Capability, policyLine } from '../domain/policy-line.ts';
import { type ParameterLimits, type PathRule, type Policy, placeOf } from './model.ts';
import { parameterFault } from './parameters.ts';

export interface Asked {
  readonly path: string;
  /** All of them are asked for. */
  readonly capabilities: readonly Capability[];
  readonly body?: Readonly<Record<string, unknown>>;
  /** How a policy names the path, where that is not the path itself: `uses/data/+`. */
  readonly named?: string;
}

/** The line that would permit it. */
export const missingLine = ({ path, named, capabilities }: Asked): string =>
  policyLine(named ?? path, ...capabilities);

export interface Found {
  readonly policy: Policy;
  readonly rule: PathRule;
}

export type Verdict =
  | {
      readonly permitted: true;
      /** The blocks that decide, all of one path. */
      readonly by: readonly Found[];
    }
  | {
      readonly permitted: false;
      readonly by: readonly Found[];
      /** In words, without the request. */
      readonly why: string;
      /** The line of a policy that would permit it, as domain/policy-line names it. */
      readonly missing: string;
    };

export interface Known {
  /** What Vault puts for a template such as `identity.entity.aliases.auth_token_1.name`; undefined: this token has none. */
  readonly identity?: (template: string) => string | undefined;
}

export function permits(policies: readonly Policy[], asked: Asked, known: Known = {}): Verdict {
  const by = isList(asked) ? listing(policies, asked.path, known) : decisive(policies, asked.path, known);
  const missing = missingLine(asked);
  const refused = (why: string): Verdict => ({ permitted: false, by, why, missing });
  if (by.length === 0) {
    const names = policies.map(({ name }) => name).join(', ');
    return refused(policies.length === 0 ? 'there is no policy' : `no line of ${names} is about this path`);
  }
  const places = by.map(({ policy, rule }) => `${placeOf(policy, rule)} (path "${rule.path}")`).join(' and ');
  if (by.some(({ rule }) => rule.capabilities.includes('deny'))) return refused(`${places} denies it`);
  const has = new Set(by.flatMap(({ rule }) => rule.capabilities));
  const lacks = asked.capabilities.filter((capability) => !has.has(capability));
  if (lacks.length > 0) return refused(`${places} does not allow ${lacks.join(' and ')}`);
  const fault = parameterFault(merged(by), asked.body ?? {});
  return fault === null ? { permitted: true, by } : refused(`${places} ${fault}`);
}

const isList = ({ capabilities }: Asked): boolean => capabilities.length === 1 && capabilities[0] === 'list';

/** Vault judges a list with a slash at the path's end: first by blocks of just that path, with or without it, then by wildcards. */
function listing(policies: readonly Policy[], path: string, known: Known): Found[] {
  const whole = path.endsWith('/') ? path : `${path}/`;
  const exact = [whole, whole.slice(0, -1)]
    .map((each) =>
      policies.flatMap((policy) =>
        policy.rules
          .filter((rule) => !rule.path.endsWith('*') && withIdentity(rule.path, known) === each)
          .map((rule): Found => ({ policy, rule })),
      ),
    )
    .find((found) => found.length > 0);
  if (exact !== undefined) return exact;
  const found = decisive(policies, whole.slice(0, -1), known);
  return found.length > 0 ? found : decisive(policies, whole, known);
}

/** The blocks of the one path that Vault judges the request by: all policies' blocks of that path together. */
export function decisive(policies: readonly Policy[], path: string, known: Known = {}): Found[] {
  let best: string | null = null;
  let found: Found[] = [];
  for (const policy of policies) {
    for (const rule of policy.rules) {
      const own = withIdentity(rule.path, known);
      if (own === null || !matches(own, path)) continue;
      const order = best === null ? 1 : precedence(own, best, path);
      if (order > 0) {
        best = own;
        found = [];
      }
      if (order > 0 || own === best) found.push({ policy, rule });
    }
  }
  return found;
}

/** Null where the token has nothing to fill a template with: then Vault leaves the block out. */
function withIdentity(path: string, { identity }: Known): string | null {
  let whole = true;
  const filled = path.replace(/\{\{\s*(identity\.[^}\s]+)\s*\}\}/g, (_text, template: string) => {
    const value = identity?.(template);
    if (value === undefined) whole = false;
    return value ?? '';
  });
  return whole ? filled.replace(/^\/+/, '') : null;
}

export const hasSegmentWildcard = (path: string): boolean =>
  path === '+' || path.includes('/+') || path.startsWith('+/');

/** Whether a rule's path, without templates, is about this path. */
export function matches(rule: string, path: string): boolean {
  const glob = rule.endsWith('*');
  if (!hasSegmentWildcard(rule)) return glob ? path.startsWith(rule.slice(0, -1)) : rule === path;
  const wanted = (glob ? rule.slice(0, -1) : rule).split('/');
  const given = path.split('/');
  if (glob ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((part, at) => {
    const last = at === wanted.length - 1;
    return part === '+' || part === given[at] || (glob && last && given[at]!.startsWith(part));
  });
}

/** Above 0 when `a` counts before `b` for a path that both are about (docs/concepts/policies#priority-matching). */
export function precedence(a: string, b: string, path: string): number {
  if (a === b) return 0;
  if (a === path || b === path) return a === path ? 1 : -1;
  const first = (rule: string) => {
    const at = [
      rule.indexOf('/+') < 0 ? -1 : rule.indexOf('/+') + 1,
      rule.indexOf('*'),
      rule.startsWith('+') ? 0 : -1,
    ];
    return Math.min(...at.filter((index) => index >= 0), rule.length);
  };
  const plus = (rule: string) => rule.split('/').filter((part) => part === '+').length;
  return (
    first(a) - first(b) ||
    Number(b.endsWith('*')) - Number(a.endsWith('*')) ||
    plus(b) - plus(a) ||
    a.length - b.length ||
    (a > b ? 1 : -1)
  );
}

/** Limits of several blocks of one path, as Vault puts them together. */
export function merged(
  found: readonly Found[],
): Pick<PathRule, 'required'> & { readonly allowed: ParameterLimits; readonly denied: ParameterLimits } {
  const union = (key: 'allowed' | 'denied'): ParameterLimits => {
    const all: Record<string, readonly unknown[]> = {};
    for (const { rule } of found) {
      for (const [name, values] of Object.entries(rule[key] ?? {})) {
        const before = all[name.toLowerCase()];
        const open = values.length === 0 || before?.length === 0;
        all[name.toLowerCase()] = open ? [] : [...(before ?? []), ...values];
      }
    }
    return all;
  };
  const required = [...new Set(found.flatMap(({ rule }) => rule.required ?? []))];
  return { allowed: union('allowed'), denied: union('denied'), required };
}
