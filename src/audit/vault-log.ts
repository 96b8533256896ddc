// Owns what Vault's own audit log says of a task's tokens and leases (file device, JSON lines). Invariant: only answers
// count, and only those without an error: what was merely asked for has not happened.

export interface VaultAct {
  readonly kind: 'token' | 'issued' | 'renewed' | 'revoked';
  readonly time: string;
  /** From the metadata of the task's token; null where it is the agent's session that acted. */
  readonly task: string | null;
  readonly event: string | null;
  readonly path: string;
  /** In clear, or as Vault hashed it with its own salt (`hmac-sha256:`). */
  readonly id: string | null;
}

interface AuditLine {
  readonly type?: string;
  readonly time?: string;
  readonly error?: string;
  readonly auth?: { readonly metadata?: Metadata };
  readonly request?: { readonly path?: string; readonly data?: { readonly lease_id?: string } | null };
  readonly response?: {
    readonly auth?: { readonly accessor?: string; readonly metadata?: Metadata };
    readonly secret?: { readonly lease_id?: string };
    readonly data?: Readonly<Record<string, unknown>> | null;
  };
}

type Metadata = { readonly task?: string; readonly profile?: string; readonly event?: string } | null;

/** Null for a line that says nothing of a task's tokens and leases. @throws SyntaxError when it is not JSON */
export function vaultAct(text: string): VaultAct | null {
  const line = JSON.parse(text) as AuditLine;
  const { type, time = '', error, auth, request, response } = line;
  if (type !== 'response' || (error ?? '') !== '' || response?.data?.error !== undefined) return null;
  const path = request?.path ?? '';
  const made = response?.auth?.metadata;
  if (path.startsWith('auth/token/create/') && made?.task !== undefined) {
    return act('token', time, made, path, response?.auth?.accessor ?? null);
  }
  const lease = response?.secret?.lease_id ?? '';
  if (path === 'sys/leases/renew') return act('renewed', time, null, path, lease === '' ? null : lease);
  if (path === 'sys/leases/revoke') return act('revoked', time, null, path, request?.data?.lease_id ?? null);
  const metadata = auth?.metadata;
  if (lease !== '' && metadata?.task !== undefined) return act('issued', time, metadata, path, lease);
  return null;
}

const act = (
  kind: VaultAct['kind'],
  time: string,
  metadata: Metadata | null,
  path: string,
  id: string | null,
): VaultAct => ({ kind, time, task: metadata?.task ?? null, event: metadata?.event ?? null, path, id });
