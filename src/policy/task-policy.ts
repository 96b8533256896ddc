// Owns the policies that profiles need: the lines that permit what their tasks can ask for. Invariant: each request of a
// profile is permitted by its policies as they are made here; beside that only what comments say Vault cannot tell apart.

import type { Profile, SecretRule } from '../domain/profile.ts';
import { aboutPath } from './about-path.ts';
import type { ParameterLimits, PathRule, Policy } from './model.ts';
import { ACCESSOR, mountOf, policiesOf } from './names.ts';
import { narrowPath, narrowValue } from './narrow.ts';
import { profileRequests, type TaskRequest } from './requests.ts';
import { wrapped } from './wrapped.ts';

/** The policy that a profile's lines go into: of those that it lists, the one that fewest other profiles have. */
export function homeOf(profile: Profile, all: readonly Profile[]): string {
  const shared = (policy: string) => all.filter((other) => policiesOf(other).includes(policy)).length;
  return [...policiesOf(profile)].sort((a, b) => shared(a) - shared(b))[0]!;
}

/** One policy for each home, in the order of their names. */
export function taskPolicies(profiles: readonly Profile[], accessor: (mount: string) => string): Policy[] {
  const homes = new Map<string, Profile[]>();
  for (const profile of profiles) {
    const home = homeOf(profile, profiles);
    homes.set(home, [...(homes.get(home) ?? []), profile]);
  }
  return [...homes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, members]) => ({
      name,
      comment: headOf(name, members, accessor),
      rules: joined(members.flatMap((profile) => rulesOf(profile, accessor))),
    }));
}

function headOf(name: string, members: readonly Profile[], accessor: (mount: string) => string): string[] {
  const names = members.map((profile) => profile.name).join(', ');
  const what = members.length === 1 ? members[0]!.description.trim().replace(/\.?$/, '.') : '';
  const tasks = `for tasks of the profile${members.length === 1 ? '' : 's'} ${names}`;
  const open = members.map(mountOf).filter((mount) => accessor(mount).startsWith(ACCESSOR));
  const templated = members.some((profile) =>
    templatedRules(profile, accessor).some(({ path }) => path.includes('{{identity.')),
  );
  return [
    ...wrapped(`Policy "${name}", ${tasks}${what === '' || what === '.' ? '.' : `: ${what}`}`),
    ...(templated && open.length > 0
      ? wrapped(`${ACCESSOR} is the accessor of the mount auth/${open[0]}: vault auth list -format=json.`)
      : []),
  ];
}

/** Secrets whose path has, for what Vault itself knows of the token, Vault's own template. */
export function templatedRules(profile: Profile, accessor: (mount: string) => string): readonly SecretRule[] {
  const alias = `identity.entity.aliases.${accessor(mountOf(profile))}`;
  return profile.secrets.map((rule) => {
    let path = rule.path.replace(/\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g, '{{$1}}');
    const name = profile.entityAlias?.replace(/\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g, '{{$1}}');
    // A fixed alias says nothing about a task.
    if (name?.includes('{{')) path = path.replaceAll(name, `{{${alias}.name}}`);
    for (const [param, key] of mappedClaims(profile)) {
      path = path.replaceAll(`{{params.${param}}}`, `{{${alias}.metadata.${key}}}`);
    }
    return { ...rule, path };
  });
}

/** Parameters that are a claim as it is, by what Vault calls the claim in the alias's metadata. */
export function mappedClaims(profile: Profile): Map<string, string> {
  const { login } = profile;
  const found = new Map<string, string>();
  if (login === undefined) return found;
  for (const [param, { claim, pattern = '' }] of Object.entries(profile.params)) {
    if (claim === undefined || /\((?!\?)/.test(pattern)) continue;
    if (login.claims === undefined || login.claims.includes(claim)) found.set(param, metadataName(claim));
  }
  return found;
}

/** A claim by JSON pointer has the name of its last part. */
export const metadataName = (claim: string): string =>
  claim.slice(claim.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9_-]/g, '_');

function rulesOf(profile: Profile, accessor: (mount: string) => string): PathRule[] {
  const templated = { ...profile, secrets: templatedRules(profile, accessor) };
  const seen = new Set<string>();
  return profileRequests(templated).map((request) => {
    const rule = ruleOf(profile, request);
    const first = !seen.has(request.secret);
    seen.add(request.secret);
    const { comment, ...bare } = rule;
    return first ? { ...bare, comment: comment! } : bare;
  });
}

/** The line that permits one request. */
export function ruleOf(profile: Profile, request: TaskRequest): PathRule {
  const { as: path, notes } = narrowPath(profile, request.path);
  const { limits, notes: more } = limitsOf(profile, request);
  const comment = [
    ...wrapped([`${request.secret}: ${aboutPath(request).what}`, ...notes, ...more].join(' ')),
    aboutPath(request).see,
  ];
  return { path, capabilities: request.capabilities, ...limits, comment };
}

function limitsOf(profile: Profile, { body }: TaskRequest) {
  // Also of a read: what could be asked for beside it, such as an older version of a KV secret, is not the task's.
  if (body === undefined) return { limits: { denied: { '*': [] } }, notes: [] };
  const notes: string[] = [];
  const allowed: Record<string, readonly unknown[]> = {};
  for (const [name, value] of Object.entries(body)) {
    const { as, notes: more } = narrowValue(profile, name, value);
    allowed[name] = as;
    notes.push(...more);
  }
  // Vault looks for a required name in small letters only, so one with capitals would never be found.
  const required = Object.keys(body).filter((name) => name === name.toLowerCase());
  return { limits: { ...(required.length === 0 ? {} : { required }), allowed }, notes };
}

/** Lines of one path become one, which permits each of them. */
function joined(rules: readonly PathRule[]): PathRule[] {
  const byPath = new Map<string, PathRule>();
  for (const rule of rules) {
    const before = byPath.get(rule.path);
    byPath.set(rule.path, before === undefined ? rule : both(before, rule));
  }
  return [...byPath.values()];
}

function both(a: PathRule, b: PathRule): PathRule {
  const comment = [...(a.comment ?? []), ...(b.comment ?? []).filter((line) => !a.comment?.includes(line))];
  const head = {
    path: a.path,
    capabilities: [...new Set([...a.capabilities, ...b.capabilities])],
    ...(comment.length === 0 ? {} : { comment }),
  };
  if (a.allowed === undefined && b.allowed === undefined) return { ...head, denied: { '*': [] } };
  const allowed: Record<string, readonly unknown[]> = { ...(a.allowed ?? {}) };
  for (const [name, values] of Object.entries<readonly unknown[]>(b.allowed ?? ({} as ParameterLimits))) {
    const before = allowed[name];
    const open = values.length === 0 || before?.length === 0;
    const known = new Set(before?.map((each) => JSON.stringify(each)));
    allowed[name] = open
      ? []
      : [...(before ?? []), ...values.filter((each) => !known.has(JSON.stringify(each)))];
  }
  const required = (a.required ?? []).filter((name) => b.required?.includes(name));
  return { ...head, ...(required.length === 0 ? {} : { required }), allowed };
}
