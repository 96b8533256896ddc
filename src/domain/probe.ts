// Owns what a start waits for beside its files (`ready`): which server has to take the credential, and how it is
// asked. Invariant: no value of a task changes where a credential is sent to but inside its own slot.

import { Problem } from './problem.ts';
import { renderSegments, type Values } from './template.ts';

/** The port that each kind of server has by default; null where it must be named. */
export const PROBES = {
  tcp: null,
  tls: null,
  http: null,
  postgres: 5432,
  mysql: 3306,
  redis: 6379,
  amqp: 5672,
  ldap: 389,
} as const satisfies Record<string, number | null>;
const TLS_PORTS: Partial<Record<ProbeKind, number>> = { amqp: 5671, ldap: 636 };

export type ProbeKind = keyof typeof PROBES;

export interface ProbeRule {
  readonly kind: ProbeKind;
  /** Whose fields it logs in with; absent where nobody logs in. */
  readonly secret?: string;
  /** Template of `host:port`, with the database, virtual host or number behind a slash; of a URL for http. */
  readonly address: string;
  readonly timeoutMs: number;
  readonly tls: boolean;
  readonly caFile?: string;
  readonly serverName?: string;
  /** What the probe needs → field of the secret. */
  readonly fields: Readonly<Record<string, string>>;
  /** How an HTTP request carries it. */
  readonly http?: {
    readonly status: readonly number[];
    readonly auth: 'basic' | 'bearer' | 'header';
    readonly header?: string;
  };
}

/** A probe of one task: its address is filled in. */
export type Probe = ProbeRule;

export const probeOf = (rule: ProbeRule, values: Values): Probe => {
  const address = renderSegments(rule.address, values);
  const probe = { ...rule, address };
  if (targetOf(probe) === null) {
    throw new Problem(
      'SIGNAL_INVALID',
      `ready.address "${rule.address}" is no address with these parameters`,
      {
        hint: 'give the parameters of its slots a pattern or an enum of host names',
      },
    );
  }
  return probe;
};

export interface Target {
  readonly host: string;
  readonly port: number;
  /** What is behind the slash, without it. */
  readonly name: string;
}

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?:\/([^\s?#]*))?$/;
/** http and its own way of naming: no user, which would be another host to a careless reader, and no fragment. */
const URL_SHAPE = /^(https?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(\/[^\s#]*)?$/;

/** Null for what is no address of this kind. */
export function targetOf({ kind, address, tls }: Pick<ProbeRule, 'kind' | 'address' | 'tls'>): Target | null {
  if (kind === 'http') return urlTarget(address);
  const [, host, port, name = ''] = ADDRESS.exec(address) ?? [];
  if (host === undefined || ((kind === 'tcp' || kind === 'tls' || kind === 'ldap') && name !== ''))
    return null;
  if (kind === 'redis' && !/^\d{0,4}$/.test(name)) return null;
  const usual = (tls ? TLS_PORTS[kind] : undefined) ?? PROBES[kind];
  const number = port === undefined ? usual : Number(port);
  return number === null || number < 1 || number > 65_535 ? null : { host: bare(host), port: number, name };
}

function urlTarget(address: string): Target | null {
  const [, scheme, host, port, path = '/'] = URL_SHAPE.exec(address) ?? [];
  if (host === undefined) return null;
  const number = port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port);
  return number < 1 || number > 65_535 ? null : { host: bare(host), port: number, name: path };
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '');

/** What a probe logs in with: by what it is called there. */
export type Credential = Readonly<Record<string, string>>;

/** The fields of the secret that the probe needs. @throws Problem DELIVERY_FAILED for one that is not there */
export function credentialOf(probe: Probe, data: Readonly<Record<string, unknown>>): Credential {
  return Object.fromEntries(
    Object.entries(probe.fields).map(([name, paths]) => {
      const value = paths
        .split('|')
        .map((path) => valueAt(data, path))
        .find((found) => found !== undefined);
      if (typeof value === 'string' || typeof value === 'number') return [name, String(value)];
      throw new Problem(
        'DELIVERY_FAILED',
        `secret ${probe.secret} has no field ${paths}, which ready needs`,
        {
          hint: `name the right one under ready.fields.${name}; it has ${Object.keys(data).sort().join(', ')}`,
        },
      );
    }),
  );
}

/** A field by its name, else by a dotted path, where numbers count from 0 (`distinguished_names.0`). */
function valueAt(data: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(data, path)) return data[path];
  let value: unknown = data;
  for (const part of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[part];
  }
  return value;
}
