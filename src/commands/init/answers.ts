// Owns what init has to know, and the way to it: flags, then questions on a terminal, then defaults. Invariant: without a
// terminal nothing is guessed that decides what a task may read: it is asked for by name.

import { UsageError } from '../../cli/failure.ts';

export const METHODS = ['approle', 'kubernetes', 'jwt', 'cert', 'token_file'] as const;
export type Method = (typeof METHODS)[number];

export interface Answers {
  readonly dir: string;
  readonly vaultAddress: string;
  readonly method: Method;
  readonly profile: string;
  readonly secretPath: string;
  readonly uid: number;
}

export type Flags = Readonly<
  Partial<Record<'dir' | 'vault-address' | 'auth' | 'profile' | 'secret-path' | 'uid', string>>
>;

/** One question with its default; '' takes the default. */
export type Ask = (question: string) => Promise<string>;

export const DEFAULT_DIR = '/etc/tasklease';

/**
 * @param ask null where nobody can be asked
 * @throws UsageError that names the flag
 */
export async function answers(flags: Flags, ask: Ask | null, env: NodeJS.ProcessEnv): Promise<Answers> {
  const get = async (flag: keyof Flags, question: string, standard: string | undefined): Promise<string> => {
    const given = flags[flag];
    if (given !== undefined && given !== '') return given;
    if (ask !== null) {
      const typed = (await ask(`${question}${standard === undefined ? '' : ` [${standard}]`}: `)).trim();
      if (typed !== '') return typed;
    }
    if (standard !== undefined) return standard;
    throw new UsageError(
      `init needs --${flag}`,
      `tasklease init --${flag} ${EXAMPLES[flag]} …, or run it on a terminal`,
    );
  };
  const dir = await get('dir', 'Where does the configuration go', DEFAULT_DIR);
  const vaultAddress = await get('vault-address', 'Where is Vault', env.VAULT_ADDR || undefined);
  const method = await get('auth', `How does the agent log in (${METHODS.join(', ')})`, 'approle');
  if (!METHODS.includes(method as Method)) {
    throw new UsageError(
      `--auth ${JSON.stringify(method)} is not a method`,
      `take one of ${METHODS.join(', ')}`,
    );
  }
  const secretPath = (
    await get(
      'secret-path',
      'Which secret is leased (a path in Vault, such as database/creds/report)',
      undefined,
    )
  ).replace(/^\/+|\/+$/g, '');
  const profile = await get('profile', 'What is that kind of task called', nameFrom(secretPath));
  const uid = await get('uid', 'Which uid may start it', env.SUDO_UID || String(process.getuid!()));
  if (!/^\d{1,10}$/.test(uid))
    throw new UsageError(`--uid ${JSON.stringify(uid)} is not a number`, 'tasklease init --uid 1000 …');
  return { dir, vaultAddress, method: method as Method, profile, secretPath, uid: Number(uid) };
}

const EXAMPLES: Readonly<Record<keyof Flags, string>> = {
  dir: DEFAULT_DIR,
  'vault-address': 'https://vault.example:8200',
  auth: 'approle',
  profile: 'report',
  'secret-path': 'database/creds/report',
  uid: '1000',
};

/** The last part of the path, as a profile may be called. */
const nameFrom = (path: string): string | undefined => /([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.exec(path)?.[1];
