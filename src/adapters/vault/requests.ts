// Owns the use of node-vault, at arm's length: token per call, its debug output silenced, its renewal
// timers unused, its transport replaced. Invariant: what goes out is a path of plain segments.

import nodeVault from 'node-vault';
import { Problem } from '../../domain/problem.ts';
import type { Secret } from '../../domain/secret.ts';
import { VaultFailure } from '../../ports/vault.ts';
import { isVaultName } from '../../schema/scalars.ts';
import { URGENCY, type Urgency } from './gate.ts';
import { type CallOptions, MISSING, type Transport } from './transport.ts';

export interface Requests {
  /** A request that may be cut off at the configured time limit. */
  call(
    method: 'GET' | 'POST',
    path: string,
    token: Secret | null,
    urgency: Urgency,
    body?: unknown,
  ): Promise<unknown>;
  /** As call, about a lease or a token: false when Vault answers that there is none. */
  find(path: string, token: Secret, urgency: Urgency, body: unknown): Promise<boolean>;
  /** What can be read without a token; null when Vault answers 404. */
  look(path: string, urgency: Urgency): Promise<unknown>;
  /** A request that issues something: it is left to end for as long as Vault can still answer. */
  issue(
    method: 'GET' | 'POST',
    path: string,
    token: Secret | null,
    urgency: Urgency,
    body?: unknown,
    query?: Readonly<Record<string, string>>,
  ): Promise<unknown>;
}

export function openRequests(options: {
  readonly transport: Transport;
  readonly address: string;
  readonly namespace?: string;
  readonly timeoutMs: number;
  /** The session must be renewed several times a leash, so one attempt may not take it all. */
  readonly sessionTimeoutMs: number;
}): Requests {
  const client = nodeVault({
    endpoint: options.address,
    // A blank one keeps node-vault from reading VAULT_NAMESPACE and VAULT_TOKEN by itself.
    namespace: options.namespace ?? ' ',
    token: ' ',
    debug: () => {},
    // It checks options that only this file makes, at a tenth of a millisecond a call.
    tv4: { validate: () => true },
    'request-promise': options.transport,
  } as unknown as Parameters<typeof nodeVault>[0]);
  client.token = '';
  (client as { namespace?: string }).namespace = options.namespace ?? '';

  async function send(call: Omit<CallOptions, 'headers'>, token: Secret | null): Promise<unknown> {
    if (!isVaultName(call.path.slice(1))) {
      const problem = new Problem('INTERNAL', 'a Vault path with unsafe characters was not sent');
      throw new VaultFailure('notDone', problem);
    }
    const headers = token === null ? {} : { 'X-Vault-Token': Buffer.from(token.reveal()).toString('latin1') };
    return client.request({ ...call, headers } as unknown as Parameters<typeof client.request>[0]);
  }

  const limitOf = (urgency: Urgency): number =>
    urgency === URGENCY.session ? options.sessionTimeoutMs : options.timeoutMs;

  return {
    call: (method, path, token, urgency, body) =>
      send({ method, path: `/${path}`, urgency, limitMs: limitOf(urgency), ...json(body) }, token),
    async find(path, token, urgency, body) {
      const call = { method: 'POST', path: `/${path}`, urgency, limitMs: limitOf(urgency) };
      return (await send({ ...call, mayBeMissing: true, ...json(body) }, token)) !== MISSING;
    },
    async look(path, urgency) {
      const call = { method: 'GET', path: `/${path}`, urgency, limitMs: limitOf(urgency), mayBeAbsent: true };
      const reply = await send(call, null);
      return reply === MISSING ? null : reply;
    },
    issue: (method, path, token, urgency, body, query) =>
      send(
        { method, path: `/${path}`, urgency, ...json(body), ...(query === undefined ? {} : { query }) },
        token,
      ),
  };
}

const json = (body: unknown): { json?: unknown } => (body === undefined ? {} : { json: body });
