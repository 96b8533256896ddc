// Owns the rules of lint about policies of tasks and of the login. Invariant: with the profile at hand a policy is held to what that
// asks for; without it, to what no profile could need.

import type { Profile } from '../domain/profile.ts';
import { isWild, isWrite } from './lint-kinds.ts';
import type { Finding } from './lint-rules.ts';
import type { PathRule, Policy } from './model.ts';
import { ACCESSOR, mountOf, policiesOf } from './names.ts';
import { parameterFault } from './parameters.ts';
import { matches, permits } from './permits.ts';
import { profileRequests, sampleRequest } from './requests.ts';
import { homeOf, taskPolicies } from './task-policy.ts';

export const at = (
  policy: Policy,
  rule: string,
  says: string,
  { line }: Partial<PathRule> = {},
): Finding => ({
  rule,
  file: policy.file ?? policy.name,
  ...(line === undefined ? {} : { line }),
  says,
});

/** The value of every template: what it is does not matter here, only that it is one segment. */
const withoutTemplates = (path: string): string => path.replace(/\{\{\s*identity\.[^}]*\}\}/g, 'IDENTITY');

export function lintTask(policy: Policy, profiles: readonly Profile[]): Finding[] {
  const members = profiles.filter((profile) => policiesOf(profile).includes(policy.name.toLowerCase()));
  const made = members.length === 0 ? [] : taskPolicies(members, () => ACCESSOR);
  const needed = made.flatMap(({ rules }) => rules);
  const findings = policy.rules.flatMap((rule) => lintRule(policy, rule, members.length > 0 ? needed : null));
  return [...findings, ...unmet(policy, members, profiles)];
}

function lintRule(policy: Policy, rule: PathRule, needed: readonly PathRule[] | null): Finding[] {
  const say = (id: string, says: string) => at(policy, id, `path "${rule.path}" ${says}`, rule);
  const found: Finding[] = [];
  const { path, capabilities } = rule;
  if (capabilities.every((each) => each === 'deny')) return [];
  if (capabilities.includes('sudo')) found.push(say('TL002', 'has sudo: take it out'));
  if (/^(?:sys|auth|identity|cubbyhole)(?:\/|$)/.test(path) || /^[*+]/.test(path)) {
    found.push(say('TL018', "reaches Vault's own paths: a task needs none of them"));
  }
  if (/\{\{\s*identity\.(?:entity\.(?!aliases\.)|groups)/.test(path)) {
    found.push(say('TL032', 'looks at what others may change: use the name of the alias'));
  }
  const own = withoutTemplates(path);
  const same =
    needed?.filter(
      (each) =>
        withoutTemplates(each.path) === own || (!isWild(path) && matches(withoutTemplates(each.path), own)),
    ) ?? [];
  if (isWild(path) && same.length === 0) {
    const narrower = needed?.map((each) => each.path).find((each) => matches(path, withoutTemplates(each)));
    const instead = narrower === undefined ? 'name the paths one by one' : `"${narrower}" is enough`;
    found.push(say('TL001', `is wider than what tasks ask for: ${instead}`));
  } else if (needed !== null && same.length === 0) {
    found.push(say('TL034', 'is nothing that the profile asks for: take it out'));
  }
  const wanted = needed === null ? null : new Set(same.flatMap((each) => each.capabilities));
  const extra = capabilities.filter((each) =>
    wanted === null || wanted.size === 0
      ? ['delete', 'list', 'patch', 'recover', 'subscribe'].includes(each)
      : each !== 'sudo' && !wanted.has(each),
  );
  if (extra.length > 0)
    found.push(say('TL017', `allows ${extra.join(', ')}, which no task of the profile asks for`));
  if (isWrite(rule) && rule.allowed === undefined && rule.denied?.['*'] === undefined) {
    found.push(say('TL019', 'takes any parameter: list those of the profile under allowed_parameters'));
  } else if (rule.allowed !== undefined && Object.hasOwn(rule.allowed, '*')) {
    found.push(say('TL019', 'allows the parameter "*", which is any: list those of the profile'));
  }
  return found;
}

/** Requests of the profiles whose home this is that it does not permit. */
function unmet(policy: Policy, members: readonly Profile[], profiles: readonly Profile[]): Finding[] {
  return members.flatMap((profile) => {
    // Another policy of the profile may permit it.
    if (homeOf(profile, profiles) !== policy.name.toLowerCase() || policiesOf(profile).length > 1) return [];
    const found = profileRequests(profile).flatMap((each): Finding[] => {
      const request = sampleRequest(profile, each);
      const verdict = permits([policy], request, { identity: identityOf(profile, request.values) });
      if (verdict.permitted) return [];
      const first = verdict.by[0]?.rule ?? {};
      return [
        at(
          policy,
          'TL024',
          `profile ${profile.name} is refused ${request.path}: ${verdict.why.replace(/^\S+ /, '')}; add ${verdict.missing}`,
          first,
        ),
      ];
    });
    return found.slice(0, 1);
  });
}

/** What Vault would know of a token of this task: its alias's name, and the claims that are mapped. */
export function identityOf(profile: Profile, values: Readonly<Record<string, string>>) {
  const value = (slot: string) => values[slot] ?? `no-${slot}`;
  const name = profile.entityAlias?.replace(/\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g, (_all, slot: string) =>
    value(slot),
  );
  return (template: string): string | undefined => {
    if (template.endsWith('.name')) return mountOf(profile) === 'token' ? name : undefined;
    const key = /\.metadata\.(.+)$/.exec(template)?.[1];
    const param = Object.entries(profile.params).find(([, { claim }]) => claim?.endsWith(key ?? '\0'));
    return param === undefined ? undefined : value(`params.${param[0]}`);
  };
}

export function lintLogin(policy: Policy): Finding[] {
  return policy.rules.flatMap((rule): Finding[] => {
    const say = (id: string, says: string) => [at(policy, id, `path "${rule.path}" ${says}`, rule)];
    if (rule.capabilities.includes('sudo')) return say('TL002', 'has sudo: take it out');
    if (/^auth\/token\/(?:revoke|lookup|renew)-self$/.test(rule.path)) return [];
    if (!/^auth\/token\/create\/[^*+]+$/.test(rule.path))
      return say('TL023', 'is more than making the session takes: take it out');
    if (rule.allowed === undefined)
      return say('TL023', 'takes any parameter: limit it to the policies of the session');
    const other = parameterFault({ allowed: rule.allowed, denied: {} }, { policies: ['any-other'] }) === null;
    return other ? say('TL023', 'may ask for any policy: limit "policies" to those of the session') : [];
  });
}
