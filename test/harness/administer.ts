// Owns what the tests do as Vault's administrator: calls that must succeed, and the session's policy with more in it.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { VaultServer } from '../../src/dev/vault-server.ts';
import type { Json } from './socket-api.ts';

type Administered = { readonly vault: Pick<VaultServer, 'request'> };

/** A call as Vault's administrator that must succeed; what it answers. */
export const administer = async (
  { vault }: Administered,
  method: string,
  path: string,
  body?: unknown,
): Promise<Json> => {
  const reply = await vault.request(method, path, body);
  const errors = (reply.body.errors ?? []).join('; ');
  expect(reply.status, `${method} ${path}: ${errors}`).toBeLessThan(300);
  return reply.body;
};

const shippedSession = (): string =>
  readFileSync(new URL('../../vault-policies/session.hcl', import.meta.url), 'utf8');

/** A rule that the session's policy has as a comment only: what it is with the comment taken off. */
export const shippedComment = (head: string): string => {
  const lines = shippedSession().split('\n');
  const rule = lines.slice(lines.findIndex((line) => line.startsWith(`# ${head}`)));
  return rule
    .slice(0, rule.indexOf('# }') + 1)
    .map((line) => line.slice(2))
    .join('\n');
};

/** The shipped policy of the session with more rules after it. */
export const widenSession = async (world: Administered, rules: string): Promise<void> => {
  await administer(world, 'PUT', 'sys/policies/acl/tasklease-session', {
    policy: `${shippedSession()}\n${rules}`,
  });
};
