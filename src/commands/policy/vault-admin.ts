// Owns an administrator's way to Vault for the policy commands: as the vault CLI finds it (VAULT_ADDR, VAULT_TOKEN, …), or
// as the agent's configuration says. Invariant: the token comes from a file or the shell's environment, never from the
// command line; it is in no message.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { openTransport, type Transport } from '../../adapters/vault/transport.ts';
import { UsageError } from '../../cli/failure.ts';
import { VaultFailure } from '../../ports/vault.ts';
import type { AgentConfig } from '../../schema/config.ts';

export const adminOptions = { 'token-file': { type: 'string' } } as const;

export const ADMIN = `  --token-file F       an administrator's token; else VAULT_TOKEN, else ~/.vault-token. VAULT_ADDR, VAULT_NAMESPACE,
                       VAULT_CACERT, VAULT_TLS_SERVER_NAME, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are honoured`;

export interface AdminValues {
  readonly 'token-file'?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly data: Record<string, unknown> | null;
  readonly auth: { readonly client_token: string; readonly accessor: string } | null;
  readonly wrap_info: { readonly token: string } | null;
  /** What Vault said, where it refused. */
  readonly why: string;
}

export interface VaultAdmin {
  readonly address: string;
  /** `data` of a reply; null where there is nothing. @throws VaultFailure for every other refusal */
  read(path: string): Promise<Record<string, unknown> | null>;
  /** @throws VaultFailure */
  write(path: string, body: unknown): Promise<Answer>;
  /** As write, with the answer wrapped: the token that opens it once. */
  wrapped(path: string, body: unknown, ttl: string): Promise<string>;
  /** Whatever Vault answers, as this or another token. */
  ask(method: string, path: string, body?: unknown, token?: string): Promise<Answer>;
  close(): void;
}

const TIMEOUT_MS = 30_000;

export function openAdmin(
  command: string,
  values: AdminValues,
  config?: AgentConfig,
  env: NodeJS.ProcessEnv = process.env,
): VaultAdmin {
  const address = (env.VAULT_ADDR || config?.vault.address || '').replace(/\/+$/, '');
  if (!URL.canParse(address)) {
    throw new UsageError(
      `${command} asks Vault, but nothing says where it is`,
      'set VAULT_ADDR, or give --config agent.yaml',
    );
  }
  return adminAt(
    {
      address,
      namespace: env.VAULT_NAMESPACE || config?.vault.namespace,
      caFile: env.VAULT_CACERT || config?.vault.ca_file,
      tlsServerName: env.VAULT_TLS_SERVER_NAME,
      clientCertFile: env.VAULT_CLIENT_CERT,
      clientKeyFile: env.VAULT_CLIENT_KEY,
    },
    readToken(command, values['token-file'], env),
  );
}

function readToken(command: string, file: string | undefined, env: NodeJS.ProcessEnv): string {
  if (file === undefined && env.VAULT_TOKEN) return env.VAULT_TOKEN;
  const path = file ?? join(env.HOME || homedir(), '.vault-token');
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (token !== '') return token;
    throw new UsageError(
      `${path} is empty: it should hold a token of Vault`,
      `tasklease ${command} --token-file F`,
    );
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why =
      file === undefined
        ? 'no token was given'
        : `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`;
    throw new UsageError(
      `${command} asks Vault, but ${why}`,
      'vault login, or VAULT_TOKEN, or --token-file F',
    );
  }
}

interface Place {
  readonly address: string;
  readonly namespace?: string | undefined;
  readonly caFile?: string | undefined;
  readonly tlsServerName?: string | undefined;
  readonly clientCertFile?: string | undefined;
  readonly clientKeyFile?: string | undefined;
}

export function adminAt(place: Place, token: string): VaultAdmin {
  const { namespace, address, ...tls } = place;
  const transport: Transport = openTransport({
    address,
    timeoutMs: TIMEOUT_MS,
    ...Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined && value !== '')),
  });
  const send = transport.defaults();
  async function ask(
    method: string,
    path: string,
    body?: unknown,
    as = token,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    try {
      const reply = await send({
        method,
        path: `/${path}`,
        uri: `${new URL(address).origin}/v1/${path}`,
        headers: {
          'x-vault-token': as,
          ...(namespace ? { 'x-vault-namespace': namespace } : {}),
          ...more,
        },
        ...(body === undefined ? {} : { json: body }),
        urgency: -1,
        limitMs: TIMEOUT_MS,
      });
      const { data = null, auth = null, wrap_info = null } = (reply.body ?? {}) as Partial<Answer>;
      return { status: reply.statusCode, data, auth, wrap_info, why: '' };
    } catch (error) {
      if (!(error instanceof VaultFailure)) throw error;
      const status = Number(/was answered (\d{3})/.exec(error.problem.message)?.[1] ?? 0);
      if (status === 0) throw error;
      return { status, data: null, auth: null, wrap_info: null, why: error.problem.message };
    }
  }
  const must = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await ask(method, path, body);
    if (answer.status < 300 || answer.status === 404) return answer;
    throw new AdminRefused(answer.why, answer.status);
  };
  return {
    address,
    read: async (path) => (await must('GET', path)).data,
    async write(path, body) {
      const answer = await must('POST', path, body);
      if (answer.status === 404) throw new AdminRefused(answer.why, 404);
      return answer;
    },
    async wrapped(path, body, ttl) {
      const answer = await ask('POST', path, body, token, { 'x-vault-wrap-ttl': ttl });
      if (answer.wrap_info === null)
        throw new AdminRefused(answer.why || `${path} gave nothing wrapped`, answer.status);
      return answer.wrap_info.token;
    },
    ask: (method, path, body, as) => ask(method, path, body, as),
    close: () => transport.close(),
  };
}

/** Vault refused what an administrator asked. */
export class AdminRefused extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}
