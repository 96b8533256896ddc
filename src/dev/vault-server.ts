// Owns one real Vault server for the demo and the tests: no -dev mode, initialised and unsealed by
// us, on a free port of 127.0.0.1, in a directory that the caller gives and removes. The unseal key
// and the root token stay in memory. With file storage, tokens and leases survive kill() and start()
// (https://developer.hashicorp.com/vault/docs/configuration/storage/filesystem).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askJson } from './ask-json.ts';
import { type Child, launch, logTail, untilReady } from './children.ts';
import { freePort } from './free-port.ts';

/** The parts of a Vault reply that the demo and the tests look at. */
export type VaultBody = {
  errors?: string[];
  warnings?: string[] | null;
  lease_id?: string;
  lease_duration?: number;
  renewable?: boolean;
  data?: Record<string, unknown> | null;
  auth?: VaultAuth | null;
  wrap_info?: { token: string } | null;
  [key: string]: unknown;
};

export type VaultAuth = {
  client_token: string;
  accessor: string;
  policies: string[];
  lease_duration: number;
  renewable: boolean;
  identitytype: string;
  orphan: boolean;
};

export type VaultReply = { status: number; body: VaultBody };

export type VaultServer = {
  readonly address: string;
  readonly port: number;
  /** Of the listener that speaks TLS; null when there is none. */
  readonly tlsPort: number | null;
  /** With storage 'inmem' every start() makes a new one. */
  readonly rootToken: string;
  readonly pid: number;
  readonly logPath: string;
  readonly configPath: string;
  /** One call to `/v1/<path>`, with the root token unless another (or '' for none) is given. */
  request(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
    headers?: Record<string, string>,
  ): Promise<VaultReply>;
  /** SIGTERM, then waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, then waits for the end. */
  kill(): Promise<void>;
  /** Starts it again on the same port and directory, unsealed. */
  start(): Promise<void>;
  seal(): Promise<void>;
  unseal(): Promise<void>;
};

export type VaultServerOptions = {
  /** Path of the binary, from vault-binary.ts. */
  binary: string;
  /** Directory for configuration, log and storage; made when missing (0700). */
  dir: string;
  storage: 'inmem' | 'file';
  /** Turns a file audit device on at this path. */
  auditFile?: string;
  /** Writes secrets to the audit file in clear, for tests that look for them. Default false. */
  auditRaw?: boolean;
  /** PEM files for a listener that speaks TLS, on a port of its own. */
  tls?: { readonly certFile: string; readonly keyFile: string };
  log?: (line: string) => void;
};

const call = (
  address: string,
  method: string,
  path: string,
  body: unknown,
  token: string,
  headers: Record<string, string> = {},
): Promise<VaultReply> => {
  const { hostname, port } = new URL(address);
  const to = { hostname, port, method, path: `/v1/${path}` };
  const identity = token === '' ? {} : { 'x-vault-token': token };
  return askJson<VaultBody>({ ...to, headers: { ...headers, ...identity } }, body);
};

const configuration = (
  dir: string,
  port: number,
  storage: 'inmem' | 'file',
  tls: (NonNullable<VaultServerOptions['tls']> & { readonly port: number }) | null,
): string => `
disable_mlock      = true
disable_clustering = true
ui                 = false
api_addr           = "http://127.0.0.1:${port}"
storage "${storage}" {
  ${storage === 'file' ? `path = ${JSON.stringify(join(dir, 'data'))}` : ''}
}
listener "tcp" {
  address     = "127.0.0.1:${port}"
  tls_disable = true
}
${
  tls === null
    ? ''
    : `listener "tcp" {
  address       = "127.0.0.1:${tls.port}"
  tls_cert_file = ${JSON.stringify(tls.certFile)}
  tls_key_file  = ${JSON.stringify(tls.keyFile)}
}
`
}`;

/** Starts Vault, initialised and unsealed. Errors carry the end of its log. */
export const startVault = async (options: VaultServerOptions): Promise<VaultServer> => {
  const { binary, dir, storage } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const logPath = join(dir, 'vault.log');
  const configPath = join(dir, 'vault.hcl');
  let port = 0;
  let tlsPort: number | null = null;
  let address = '';
  let child: Child | undefined;
  let rootToken = '';
  let unsealKey = '';

  const health = async (): Promise<number> => {
    try {
      return (await call(address, 'GET', 'sys/health', undefined, '')).status;
    } catch {
      return 0;
    }
  };

  const spawnServer = async (): Promise<void> => {
    // Nothing of our own VAULT_* environment reaches the server; HOME keeps its traces in `dir`.
    child = await launch(binary, ['server', `-config=${configPath}`, '-log-level=info'], {
      cwd: dir,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: dir, TMPDIR: dir, SKIP_SETCAP: '1' },
      logPath,
    });
    await untilReady('Vault', child, logPath, async () => (await health()) !== 0);
  };

  const must = async (method: string, path: string, body: unknown, token = rootToken): Promise<VaultBody> => {
    const reply = await call(address, method, path, body, token);
    if (reply.status >= 300) {
      throw new Error(
        `Vault answered ${reply.status} to ${method} ${path}: ${(reply.body.errors ?? []).join('; ')}`,
      );
    }
    return reply.body;
  };

  const unseal = async (): Promise<void> => {
    await must('PUT', 'sys/unseal', { key: unsealKey }, '');
    await untilReady('Vault', child!, logPath, async () => (await health()) === 200);
  };

  const openUp = async (): Promise<void> => {
    if (unsealKey === '' || storage === 'inmem') {
      const made = await must('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 }, '');
      rootToken = made.root_token as string;
      unsealKey = (made.keys_base64 as string[])[0]!;
      await unseal();
      if (options.auditFile !== undefined) {
        await must('PUT', 'sys/audit/file', {
          type: 'file',
          options: { file_path: options.auditFile, log_raw: String(options.auditRaw ?? false) },
        });
      }
    } else {
      await unseal();
    }
  };

  for (let attempt = 1; ; attempt += 1) {
    port = await freePort();
    address = `http://127.0.0.1:${port}`;
    const tls = options.tls === undefined ? null : { ...options.tls, port: await freePort() };
    tlsPort = tls?.port ?? null;
    writeFileSync(configPath, configuration(dir, port, storage, tls), { mode: 0o600 });
    try {
      await spawnServer();
      break;
    } catch (error) {
      // Somebody took the port between our look and Vault's: choose another.
      if (attempt >= 5 || !logTail(logPath).includes('address already in use')) throw error;
    }
  }
  await openUp();
  options.log?.(`Vault listens on ${address} (pid ${child!.pid}, storage ${storage})`);

  return {
    get address() {
      return address;
    },
    get port() {
      return port;
    },
    get tlsPort() {
      return tlsPort;
    },
    get rootToken() {
      return rootToken;
    },
    get pid() {
      return child!.pid;
    },
    logPath,
    configPath,
    request: (method, path, body, token = rootToken, headers = {}) =>
      call(address, method, path, body, token, headers),
    stop: async () => void (await child!.end('SIGTERM', 10_000)),
    kill: async () => void (await child!.end('SIGKILL', 1_000)),
    start: async () => {
      if (child!.status() === undefined) return;
      await spawnServer();
      await openUp();
    },
    seal: async () => void (await must('PUT', 'sys/seal', {})),
    unseal,
  };
};
