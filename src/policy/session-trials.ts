// Owns what is tried of the agent's own tokens: all that they have to be allowed, and what would make a stolen one worse
// than vault-policies/STOLEN.md says. Invariant: what ends the session is tried last.

import type { Profile } from '../domain/profile.ts';
import type { Names } from './names.ts';
import type { Trial } from './neighbours.ts';
import { profileRequests, sampleRequest } from './requests.ts';
import { FORBIDDEN, loginNeed, type Need, sessionNeeds, tokenBody } from './session-needs.ts';

/** They stand beside the profiles in the results. */
export const THE_LOGIN = "agent's login";
export const THE_SESSION = "agent's session";

export const loginTrials = (names: Names): Trial[] => [
  ...ownTrials(THE_LOGIN, loginNeed(names)),
  denied(THE_LOGIN, 'vault', 'update', 'auth/token/create', {}),
  denied(THE_LOGIN, 'vault', 'update', `auth/token/create/${names.tokenRole}`, {}),
];

export function sessionTrials(names: Names, profiles: readonly Profile[]): Trial[] {
  const needs = sessionNeeds(names, profiles);
  const isEnd = ({ path }: Need) => path === 'auth/token/revoke-self';
  const create = `auth/token/create/${names.tokenRole}`;
  const children = profiles.filter(({ login }) => login === undefined);
  const make = needs.find(({ path }) => path === create);
  const tokens = children.map((profile): Need => ({ ...make!, body: tokenBody(profile) }));
  const secrets = profiles.flatMap((profile) =>
    profileRequests(profile).map((request) => sampleRequest(profile, request)),
  );
  return distinct([
    ...tokens.flatMap((need, at) => ownTrials(THE_SESSION, need, `for ${children[at]!.name}`)),
    ...needs.filter((need) => need !== make && !isEnd(need)).flatMap((need) => ownTrials(THE_SESSION, need)),
    ...secrets.map(({ path, capabilities, body }) =>
      denied(THE_SESSION, 'path', capabilities.at(-1)!, path, body),
    ),
    ...(tokens.length === 0 ? [] : widened(create, tokens[0]!.body!)),
    ...FORBIDDEN.map((path) => denied(THE_SESSION, 'vault', 'update', path, {})),
    ...needs.filter(isEnd).flatMap((need) => ownTrials(THE_SESSION, need)),
  ]);
}

/** A task's token in a shape that would outlive its task, or be more than it. */
function widened(path: string, body: NonNullable<Need['body']>): Trial[] {
  const { policies: _policies, ...rest } = body;
  const sent = (what: string, more: NonNullable<Need['body']>): Trial => ({
    ...denied(THE_SESSION, 'parameter', 'update', path, more),
    what: `update ${path} ${what}`,
  });
  return [
    sent('without policies', rest),
    sent('with renewable', { ...body, renewable: true }),
    sent('of type batch', { ...body, type: 'batch' }),
    sent('with a period', { ...body, period: '1h' }),
  ];
}

const ownTrials = (who: string, { path, named, capabilities, body, why }: Need, whom?: string): Trial[] =>
  capabilities.map((capability) => ({
    profile: who,
    what: `${capability} ${named ?? path}${whom === undefined ? '' : ` ${whom}`}, to ${why}`,
    kind: 'own',
    path,
    ...(named === undefined ? {} : { named }),
    capability,
    needs: capabilities,
    expect: 'allowed',
    ...(body === undefined ? {} : { body }),
  }));

const denied = (
  profile: string,
  kind: Trial['kind'],
  capability: Trial['capability'],
  path: string,
  body?: Trial['body'],
): Trial => ({
  profile,
  what: `${capability} ${path}`,
  kind,
  path,
  capability,
  needs: [capability],
  expect: 'denied',
  ...(body === undefined ? {} : { body }),
});

function distinct(trials: readonly Trial[]): Trial[] {
  const seen = new Map(
    trials.map((trial) => [JSON.stringify([trial.capability, trial.path, trial.body]), trial] as const),
  );
  return [...seen.values()];
}
