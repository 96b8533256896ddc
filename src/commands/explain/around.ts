// Owns what is known of a start beside its requests: what Vault would fill its policies with, what the agent may do about
// ownership, what a caller should know.

import type { Powers } from '../../adapters/files/access.ts';
import { ownPowers } from '../../adapters/files/access.ts';
import { lockHolder, processPowers } from '../../adapters/system/look.ts';
import type { Profile } from '../../domain/profile.ts';
import type { Sources } from '../inspect/permission.ts';
import type { Explained } from './subject.ts';

/** What Vault would put into templated policies, as far as the start decides it. */
export function identityOf({ settled, profile, asked }: Explained): NonNullable<Sources['known']> {
  return {
    identity(template) {
      if (/^identity\.entity\.aliases\.[^.]+\.name$/.test(template)) return settled.plan.entityAlias;
      const claim = /^identity\.entity\.aliases\.[^.]+\.metadata\.(.+)$/.exec(template)?.[1];
      if (claim === undefined) return undefined;
      const param = Object.entries(profile.params).find(([, rule]) => rule.claim === claim)?.[0];
      return param === undefined ? undefined : asked.params[param];
    },
  };
}

export function powers(runtimeDir: string): Powers | null {
  const pid = lockHolder(runtimeDir);
  const running = pid === null ? null : processPowers(pid);
  if (running !== null) return running;
  return process.geteuid!() === 0 ? ownPowers() : null;
}

export function notesOf(profile: Profile): string[] {
  const { approval, bind, allow } = profile;
  const claims = Object.entries(profile.params).filter(([, rule]) => rule.claim !== undefined);
  return [
    ...(approval === undefined
      ? []
      : [
          `waits for ${approval.count === 1 ? 'an approval' : `${approval.count} approvals`} first: nothing is leased before`,
        ]),
    ...(bind === 'required' ? ['must be bound to a process, a cgroup or a connection'] : []),
    ...(allow.assertion === undefined ? [] : [`must bring an assertion of ${allow.assertion.issuer}`]),
    ...claims.map(
      ([name, rule]) =>
        `params.${name} comes from the claim ${rule.claim} of the assertion; here it is what you gave`,
    ),
    ...(allow.where === undefined
      ? []
      : ["is judged by the caller's executable or cgroup too (allow.where)"]),
  ];
}
