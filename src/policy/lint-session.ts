// Owns the rules of lint about the session's policy. Invariant: what the agent needs is named and nothing else is there.

import { isWild } from './lint-kinds.ts';
import { at } from './lint-policies.ts';
import type { Finding } from './lint-rules.ts';
import type { PathRule, Policy } from './model.ts';
import { parameterFault } from './parameters.ts';
import { decisive } from './permits.ts';

const NEEDED: readonly (readonly [string, 'read' | 'update'])[] = [
  ...(['sys/leases/lookup', 'sys/leases/renew', 'sys/leases/revoke'] as const).map(
    (path) => [path, 'update'] as const,
  ),
  ...(['auth/token/revoke-accessor', 'auth/token/lookup-accessor'] as const).map(
    (path) => [path, 'update'] as const,
  ),
  ['auth/token/renew-self', 'update'],
  ['auth/token/revoke-self', 'update'],
  ['auth/token/lookup-self', 'read'],
];

const OWN =
  /^(?:auth\/token\/(?:create\/.+|(?:revoke|lookup|renew)-(?:accessor|self))|sys\/leases\/(?:lookup|renew|revoke)|sys\/capabilities-(?:self|accessor))$/;

/** Notes of presented assertions: a mount of tasklease's own, entries of one segment. */
const USES = /^[^/*+]*uses[^/*+]*\/data\/\+$/;
/** Certificates by serial. */
const SERIAL = /^[^*+]+\/revoke$/;

export function lintSession(policy: Policy): Finding[] {
  const lacking = NEEDED.flatMap(([path, capability]) => {
    const has = decisive([policy], path).flatMap(({ rule }) => rule.capabilities);
    return has.includes(capability)
      ? []
      : [
          at(
            policy,
            'TL003',
            `the session lacks ${capability} on ${path}: add path "${path}" { capabilities = ["${capability}"] }`,
          ),
        ];
  });
  return [...lacking, ...policy.rules.flatMap((rule) => lintRule(policy, rule))];
}

function lintRule(policy: Policy, rule: PathRule): Finding[] {
  const say = (id: string, says: string) => at(policy, id, `path "${rule.path}" ${says}`, rule);
  const { path } = rule;
  const found: Finding[] = [];
  if (rule.capabilities.every((each) => each === 'deny')) return [];
  if (rule.capabilities.includes('sudo')) found.push(say('TL002', 'has sudo: take it out'));
  if (/^auth\/token\/create(?:-orphan)?(?:\/|$)|^auth\/token\/\*/.test(path))
    return [...found, ...lintCreate(rule, say)];
  const uses =
    USES.test(path) && !rule.capabilities.some((each) => ['delete', 'list', 'patch', 'sudo'].includes(each));
  const serial =
    SERIAL.test(path) && !path.startsWith('sys/') && rule.required?.includes('serial_number') === true;
  if (!uses && !serial && (!OWN.test(path) || isWild(path))) {
    found.push(say('TL014', 'is more than tokens and leases: take it out'));
    return found;
  }
  const extra = uses
    ? []
    : rule.capabilities.filter(
        (each) => each !== 'update' && each !== 'sudo' && !(each === 'read' && path.endsWith('lookup-self')),
      );
  if (extra.length > 0) found.push(say('TL017', `allows ${extra.join(', ')}, which the agent does not use`));
  if (path === 'sys/leases/revoke' && !demands(rule, 'sync', true, false)) {
    found.push(say('TL020', 'does not insist on sync = true: require it, and allow no other value'));
  }
  return found;
}

/** A parameter that has to be there, with this value and not with that one. */
function demands(
  { required = [], allowed = {}, denied = {} }: PathRule,
  name: string,
  good: unknown,
  bad: unknown,
): boolean {
  const fits = (value: unknown) => parameterFault({ allowed, denied }, { [name]: value }) === null;
  return required.includes(name) && fits(good) && !fits(bad);
}

function lintCreate(rule: PathRule, say: (id: string, says: string) => Finding): Finding[] {
  if (!/^auth\/token\/create\/[^*+]+$/.test(rule.path)) {
    return [say('TL021', 'makes tokens under any role or none: name the one token role')];
  }
  const found: Finding[] = [];
  if (!demands(rule, 'renewable', false, true))
    found.push(say('TL021', 'does not insist on renewable = false: require it, and allow no other value'));
  if (!demands(rule, 'type', 'service', 'batch'))
    found.push(say('TL021', 'does not insist on type = service: require it, and allow no other value'));
  if (!demands(rule, 'no_default_policy', true, false))
    found.push(
      say('TL004', 'does not insist on no_default_policy = true: require it, and allow no other value'),
    );
  if (!rule.required?.includes('policies'))
    found.push(say('TL021', 'does not require policies: left out, Vault gives every policy of the role'));
  if (rule.required?.includes('ttl') === false)
    found.push(say('TL021', 'does not require ttl: left out, Vault gives 768 h'));
  return found;
}
