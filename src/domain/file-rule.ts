// Owns what a profile can say about one file: its format with the format's own options, what goes into it, who may
// read it. Invariant: an option that a start fills in is held to the same rule as one that the profile wrote.

import { Problem } from './problem.ts';
import { isStartSlot, renderSegments, slots, type Values } from './template.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface Named {
  readonly name: string;
  readonly mode?: number;
  readonly owner?: Owner;
}

/** Names of the format → where in the secret its value is. */
interface Mapped {
  readonly fields?: Readonly<Record<string, string>>;
}

/** What logs in somewhere by name and password. */
interface Login extends Mapped {
  /** Stands for a field, where the secret holds the password alone. */
  readonly username?: string;
}

interface Server extends Login {
  readonly host?: string;
  readonly port?: number;
}

interface PostgresServer extends Server {
  readonly database?: string;
}

/** The formats and their options; nothing here is a secret. */
export interface Formats {
  json: Mapped;
  dotenv: Mapped & { readonly quoting?: 'portable' | 'shell' };
  raw: { readonly field: string; readonly encoding?: 'base64' };
  template: { readonly template: string };
  pgpass: PostgresServer;
  'pg-service': PostgresServer & { readonly service?: string; readonly sslmode?: string };
  'database-url': PostgresServer & { readonly scheme?: string; readonly query?: string };
  'my.cnf': Server & { readonly database?: string };
  'redis-url': Server & { readonly tls?: boolean; readonly db?: number };
  'amqp-url': Server & { readonly tls?: boolean; readonly vhost?: string };
  'aws-credentials': Mapped & { readonly profile?: string; readonly region?: string };
  'aws-credential-process': Mapped;
  kubeconfig: Mapped & {
    readonly server: string;
    readonly ca?: string;
    readonly ca_file?: string;
    readonly namespace?: string;
  };
  netrc: Login & { readonly machine?: string; readonly quoted?: boolean };
  'git-credentials': Login & { readonly url?: string };
  npmrc: Login & { readonly registry: string; readonly scope?: string };
  pem: Mapped & { readonly parts?: readonly PemPart[] };
  'ssh-key': Mapped & { readonly part?: 'private_key' | 'certificate' };
}

export type PemPart = 'private_key' | 'certificate' | 'ca_chain';
export type FormatName = keyof Formats;
/** The rule of a file in one format. */
export type RuleOf<Name extends FormatName> = Named & Formats[Name] & { readonly format: Name };
export type FileRule = { [Name in FormatName]: RuleOf<Name> }[FormatName];

const LOGIN = { username: ['username'], password: ['password'] } as const;
const AWS = {
  access_key: ['access_key'],
  secret_key: ['secret_key'],
  session_token: ['session_token', 'security_token'],
} as const;

/** What each ready-made format is made of, and the fields that it is looked for in unless `fields` says otherwise. */
export const PARTS: Readonly<Partial<Record<FormatName, Readonly<Record<string, readonly string[]>>>>> = {
  pgpass: LOGIN,
  'pg-service': LOGIN,
  'database-url': LOGIN,
  'my.cnf': LOGIN,
  'redis-url': LOGIN,
  'amqp-url': LOGIN,
  'aws-credentials': AWS,
  'aws-credential-process': AWS,
  kubeconfig: {
    token: ['service_account_token', 'token'],
    namespace: ['service_account_namespace'],
    ca: [],
    certificate: [],
    private_key: [],
  },
  netrc: { machine: ['machine'], username: ['username', 'login'], password: ['password'] },
  'git-credentials': { url: ['url'], username: ['username'], password: ['password', 'token'] },
  npmrc: { token: ['token', 'access_token'], ...LOGIN },
  pem: {
    private_key: ['private_key'],
    certificate: ['certificate'],
    ca_chain: ['ca_chain', 'issuing_ca'],
  },
  'ssh-key': { private_key: ['private_key'], certificate: ['signed_key', 'certificate'] },
};

/** The other secrets that a file names fields of: `secret.field` is never a field of the file's own secret. */
export function drawnFrom(rule: FileRule, others: readonly string[]): string[] {
  const names = [
    ...('fields' in rule ? Object.values(rule.fields ?? {}) : []),
    ...('field' in rule ? [rule.field] : []),
    ...('template' in rule ? slots(rule.template).filter((slot) => !isStartSlot(slot)) : []),
  ];
  const heads = new Set(names.filter((name) => name.includes('.')).map((name) => name.split('.')[0]!));
  return others.filter((other) => heads.has(other)).sort();
}

const HTTP_URL = /^https?:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~/-]*)?$/;

/** What an option may be, whoever filled it in: nothing that would end its place in the file. */
const OPTIONS: Readonly<Record<string, readonly [RegExp, string]>> = {
  host: [/^(?:[A-Za-z0-9._-]+|[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,7})$/, 'a host name or an address'],
  database: [/^[A-Za-z0-9._$-]+$/, 'the name of a database: letters, digits, ".", "_", "$" and "-"'],
  service: [/^[A-Za-z0-9._-]+$/, 'a name of letters, digits, ".", "_" and "-"'],
  sslmode: [/^(?:disable|allow|prefer|require|verify-ca|verify-full)$/, 'one of libpq’s sslmodes'],
  scheme: [/^[a-z][a-z0-9+.-]*$/, 'the scheme of a URL, such as postgresql or mysql'],
  query: [
    /^[A-Za-z0-9._~=&%,:/-]+$/,
    'the query of a URL without its question mark, such as sslmode=require',
  ],
  vhost: [/^[A-Za-z0-9._~@:=,/-]+$/, 'the name of a virtual host'],
  username: [/^[A-Za-z0-9._~@:=,+-]+$/, 'a user name of letters, digits and "._~@:=,+-"'],
  profile: [/^[A-Za-z0-9._@-]+$/, 'a name of letters, digits, ".", "_", "@" and "-"'],
  region: [/^[a-z0-9-]+$/, 'a region such as eu-central-1'],
  server: [HTTP_URL, 'an http or https URL'],
  namespace: [/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'the name of a Kubernetes namespace'],
  machine: [/^[A-Za-z0-9.-]+$/, 'a host name or an IPv4 address'],
  url: [HTTP_URL, 'an http or https URL without a user or a password'],
  registry: [HTTP_URL, 'an http or https URL'],
  scope: [/^@[a-z0-9~-][a-z0-9._~-]*$/, 'a scope such as @acme'],
};

/** What is wrong with the value of an option that slots may fill in; null when nothing is. */
export function optionFault(option: string, value: string): string | null {
  const [pattern, rule] = OPTIONS[option] ?? [/^/, ''];
  return pattern.test(value) ? null : `must be ${rule}`;
}

/** Options and templates that may hold `{{params.x}}` and the other slots of a start. */
export const takesSlots = (key: string): boolean => key === 'template' || Object.hasOwn(OPTIONS, key);

/**
 * The rule as it is for one start: what the start chose is filled in, what the secret will hold stays.
 * @throws Problem SIGNAL_INVALID when a value is missing, or is none for its place
 */
export function plannedFile(rule: FileRule, values: Values): FileRule {
  const chosen = Object.entries(rule).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && takesSlots(entry[0]) && slots(entry[1]).some(isStartSlot),
  );
  if (chosen.length === 0) return rule;
  const filled = chosen.map(([key, text]) => {
    const value = renderSegments(text, values, (slot) => !isStartSlot(slot));
    const fault = optionFault(key, value);
    if (fault === null) return [key, value];
    throw new Problem('SIGNAL_INVALID', `${key} of the file ${rule.name} would be "${value}": it ${fault}`, {
      hint: 'choose other parameters, or narrow them in the profile',
    });
  });
  return { ...rule, ...Object.fromEntries(filled) };
}
