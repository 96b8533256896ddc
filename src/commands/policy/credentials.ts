// Owns the handing over of the agent's first credentials: from Vault into the files that its configuration names.
// Invariant: what Vault gave goes into a file of mode 0600 and nowhere else; a file that is there is kept; the file can be
// written before Vault is asked.

import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { LOGIN } from '../../policy/names.ts';
import type { AgentConfig } from '../../schema/config.ts';
import type { VaultAdmin } from './vault-admin.ts';

export interface Credential {
  readonly file: string;
  /** For people: what will be in the file. */
  readonly what: string;
  /** @throws AdminRefused, or VaultFailure */
  make(vault: VaultAdmin): Promise<string>;
}

const WRAP_TTL = '30m';

/** Those that this way to log in needs and Vault can make; the files need not be missing. */
export function credentialsOf({ vault: { auth } }: AgentConfig): Credential[] {
  if (auth.method === 'approle') {
    const role = `auth/${auth.mount}/role/tasklease`;
    const wrapped = auth.secret_id_wrapped;
    return [
      {
        file: auth.role_id_file,
        what: `the role id of ${role}`,
        make: async (vault) => textOf((await vault.read(`${role}/role-id`))?.role_id),
      },
      {
        file: auth.secret_id_file,
        what: wrapped
          ? `a new secret id of ${role}, wrapped: good for one use within ${WRAP_TTL}`
          : `a new secret id of ${role}`,
        make: async (vault) =>
          wrapped
            ? vault.wrapped(`${role}/secret-id`, {}, WRAP_TTL)
            : textOf((await vault.write(`${role}/secret-id`, {})).data?.secret_id),
      },
    ];
  }
  if (auth.method !== 'token_file') return [];
  const body = { policies: [LOGIN], no_default_policy: true, period: '24h', display_name: 'tasklease-login' };
  return [
    {
      file: auth.token_file,
      what: `a new token with the policy ${LOGIN}, which you renew every 24h`,
      make: async (vault) => textOf((await vault.write('auth/token/create-orphan', body)).auth?.client_token),
    },
  ];
}

/** Those whose file is not there. */
export const missing = (credentials: readonly Credential[]): Credential[] =>
  credentials.filter(({ file }) => !existsSync(file));

/** @throws NodeJS.ErrnoException where the file cannot be written: nothing was asked for then */
export async function handOver({ file, make }: Credential, vault: VaultAdmin): Promise<void> {
  const beside = `${file}.${process.pid}.tmp`;
  const fd = openSync(beside, 'wx', 0o600);
  try {
    const { uid, gid } = statSync(dirname(file));
    if (process.geteuid!() === 0) chownSync(beside, uid, gid);
    writeFileSync(fd, await make(vault));
    fsyncSync(fd);
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string' && value !== '') return `${value}\n`;
  throw new Error('Vault answered without it');
}
