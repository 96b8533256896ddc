// Owns the shape of agent.yaml (README, Configuration): every key, its default and its bounds.

import * as z from 'zod';
import { ledger } from './ledger-config.ts';
import { absolutePath, credentialFile, duration, fileMode, unixId, vaultName } from './scalars.ts';
import { firstIssue, profileNameSchema, startBody, taskIdSchema } from './signal.ts';

const tokenFileAuth = z.strictObject({
  method: z.literal('token_file'),
  token_file: credentialFile,
});

const approleAuth = z.strictObject({
  method: z.literal('approle'),
  mount: vaultName.default('approle'),
  role_id_file: credentialFile,
  secret_id_file: credentialFile,
  secret_id_wrapped: z.boolean().default(false),
});

/** Signed tokens in a file: Kubernetes' projected ones, or any that Vault's jwt auth method knows the keys of. */
const signedTokenAuth = <M extends 'jwt' | 'kubernetes'>(method: M) =>
  z.strictObject({
    method: z.literal(method),
    mount: vaultName.default(method),
    role:
      method === 'jwt'
        ? vaultName.optional()
        : z.string({ error: 'is missing: name the role at the mount' }).pipe(vaultName),
    token_file:
      method === 'jwt'
        ? credentialFile
        : credentialFile.default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  });

const certAuth = z.strictObject({
  method: z.literal('cert'),
  mount: vaultName.default('cert'),
  role: vaultName.optional(),
  cert_file: credentialFile,
  key_file: credentialFile,
});

/** `path` and `file` say the same, as in other tools' configurations. */
const namedTokenFile = (value: unknown): unknown => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const { path, file, ...rest } = value as Record<string, unknown>;
  const other = path ?? file;
  return ['token_file', 'jwt', 'kubernetes'].includes(String(rest.method)) &&
    rest.token_file === undefined &&
    other !== undefined
    ? { ...rest, token_file: other }
    : value;
};

const authMethods = z.discriminatedUnion(
  'method',
  [tokenFileAuth, approleAuth, signedTokenAuth('jwt'), signedTokenAuth('kubernetes'), certAuth],
  { error: 'must name a method: token_file, approle, jwt, kubernetes or cert' },
);

const auth = z.preprocess(namedTokenFile, authMethods);

const vaultAddress = z
  .string({ error: 'is missing: give the URL of Vault, or set VAULT_ADDR' })
  .refine((text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    return (
      url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === ''
    );
  }, 'must be a URL such as https://vault.internal:8200');

const cluster = <V extends { readonly address: string; readonly standbys: readonly string[] }>(
  vault: V,
): boolean =>
  vault.standbys.every((standby) => new URL(standby).protocol === new URL(vault.address).protocol);

const listen = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'must be host:port, like 127.0.0.1:9464')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'has a port above 65535');

const limits = z.strictObject({
  tasks: z.number().int().min(1).max(100_000).default(1000),
  tasks_per_uid: z.number().int().min(1).max(100_000).default(100),
  starts_per_minute: z.number().int().min(1).max(1_000_000).default(600),
});

const ownTaskShape = startBody
  .safeExtend({ id: taskIdSchema })
  .refine((task) => task.bind === undefined || !('connection' in task.bind), {
    path: ['bind'],
    message: 'has no connection to bind: leave it out, or bind a pid or a cgroup',
  })
  .refine((task) => task.assertion === undefined, {
    path: ['assertion'],
    message: 'is good for one start and does not belong into a file: start this task over the socket',
  });

/** A start body with an id. Checked here, kept as it was written: it goes the way of every other start. */
const ownTask = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const parsed = ownTaskShape.safeParse(value);
  if (parsed.success) return;
  const { path, message } = firstIssue(parsed.error);
  context.addIssue({ code: 'custom', path, message });
});

const SOCKET = '/run/tasklease/agent.sock';

const access = {
  mode: fileMode.default(0o660),
  group: z.union([z.string().min(1), unixId]).optional(),
};

const socketName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be letters, digits, dots, underscores and hyphens')
  .refine((name) => name !== 'agent' && name !== 'admin', 'is the name of another socket');

/** A socket for somebody who needs some profiles only. */
const furtherSocket = z.strictObject({
  /** What systemd calls it where it hands it over (FileDescriptorName=). */
  name: socketName.optional(),
  path: absolutePath,
  ...access,
  profiles: z
    .array(profileNameSchema, { error: 'is missing: name the profiles that this socket may start' })
    .min(1, 'needs at least one profile: those that this socket may start'),
});

const agentShape = z.strictObject({
  vault: z
    .strictObject({
      address: vaultAddress,
      standbys: z.array(vaultAddress).default([]),
      namespace: vaultName.optional(),
      ca_file: credentialFile.optional(),
      auth,
      session_role: vaultName.default('tasklease-session'),
      token_role: vaultName.default('tasklease'),
      uses_mount: vaultName.default('tasklease-uses'),
      allow_broad_session: z.boolean().default(false),
      leash: duration(10_000, 3_600_000).default(300_000),
      timeout: duration(100, 300_000).default(10_000),
    })
    .refine(cluster, { path: ['standbys'], message: 'must have the protocol of vault.address: all https' }),
  socket: z.strictObject({ path: absolutePath.default(SOCKET), ...access }).prefault({}),
  sockets: z.array(furtherSocket).default([]),
  runtime_dir: absolutePath.default('/run/tasklease-private'),
  secrets_dir: absolutePath.default('/run/tasklease/tasks'),
  state_dir: absolutePath.default('/var/lib/tasklease'),
  profiles_dir: absolutePath.default('/etc/tasklease/profiles'),
  limits: limits.prefault({}),
  on_exit: z
    .enum(['revoke', 'keep'], {
      error: 'must be revoke (stop every task) or keep (leave them for the next agent)',
    })
    .default('revoke'),
  stop_timeout: duration(0, 3_600_000).default(20_000),
  ledger: ledger.prefault({}),
  metrics: z.strictObject({ listen }).optional(),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
        .default('info'),
    })
    .prefault({}),
  tasks: z.array(ownTask).default([]),
});

export const agentConfig = agentShape.superRefine(({ socket, sockets }, context) => {
  const paths = new Set([socket.path]);
  const names = new Set<string>();
  for (const [i, { path, name }] of sockets.entries()) {
    const complain = (key: string) => {
      const message = `is the ${key} of another socket: give each one of its own`;
      context.addIssue({ code: 'custom', path: ['sockets', i, key], message });
    };
    if (paths.has(path)) complain('path');
    paths.add(path);
    if (name === undefined) continue;
    if (names.has(name)) complain('name');
    names.add(name);
  }
});

/** What a command that only reads the ledger needs to know of it. */
export const stateConfig = z.looseObject({ state_dir: agentShape.shape.state_dir });

export type AgentConfig = z.infer<typeof agentConfig>;
