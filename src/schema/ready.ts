// Owns the shape of `ready` in a profile (README, Ready), and its step to the domain's rule.

import * as z from 'zod';
import { PROBES, type ProbeKind, type ProbeRule, targetOf } from '../domain/probe.ts';
import { hasStrayBraces } from '../domain/template.ts';
import { defined } from './defined.ts';
import { absolutePath, duration, identifier } from './scalars.ts';

const KINDS = Object.keys(PROBES) as [ProbeKind, ...ProbeKind[]];
const LOGIN: Partial<Record<ProbeKind, Readonly<Record<string, string>>>> = {
  postgres: { username: 'username', password: 'password' },
  mysql: { username: 'username', password: 'password' },
  redis: { username: 'username', password: 'password' },
  amqp: { username: 'username', password: 'password' },
  // What Vault's LDAP engine calls the name to bind with: of a static, a dynamic and a checked-out account.
  ldap: { username: 'dn|distinguished_names.0|username|service_account_name', password: 'password' },
};
const HTTP_FIELDS = {
  basic: { username: 'username', password: 'password' },
  bearer: { token: 'token' },
  header: { value: 'value' },
} as const;
const NO_LOGIN: readonly ProbeKind[] = ['tcp', 'tls'];
const WITH_TLS: readonly ProbeKind[] = ['postgres', 'mysql', 'redis', 'amqp', 'ldap'];

const status = z
  .int({ error: 'must be an HTTP status such as 200, or a list of them' })
  .min(100, 'must be an HTTP status such as 200, or a list of them')
  .max(599, 'must be an HTTP status such as 200, or a list of them');

export const ready = z
  .strictObject({
    probe: z.enum(KINDS, { error: `must be one of ${KINDS.join(', ')}` }),
    secret: identifier.optional(),
    address: z.string({ error: 'is missing: where the server is, such as db.internal:5432/app' }).min(1),
    timeout: duration(100, 300_000).default(10_000),
    tls: z.boolean({ error: 'must be true or false' }).optional(),
    ca_file: absolutePath.optional(),
    server_name: z.string().min(1).max(253).optional(),
    fields: z.record(z.string(), z.string().min(1)).optional(),
    status: z.union([status, z.array(status).min(1)]).optional(),
    auth: z.enum(['basic', 'bearer', 'header'], { error: 'must be basic, bearer or header' }).optional(),
    header: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header')
      .optional(),
  })
  .superRefine((rule, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const { probe } = rule;
    const logsIn = LOGIN[probe] !== undefined;
    if (logsIn && rule.secret === undefined)
      complain('secret', `is missing: whose fields ${probe} logs in with`);
    if (NO_LOGIN.includes(probe) && rule.secret !== undefined)
      complain('secret', `is not used by ${probe}, which does not log in`);
    if (hasStrayBraces(rule.address)) complain('address', 'has braces that are not a {{slot}}');
    else if (targetOf({ kind: probe, address: filled(rule.address), tls: rule.tls ?? false }) === null)
      complain('address', ADDRESSES[probe]);
    if (rule.tls !== undefined && !WITH_TLS.includes(probe))
      complain('tls', probe === 'http' ? 'is said by https: in the address' : `is not used by ${probe}`);
    const secure = usesTls(rule);
    for (const key of ['ca_file', 'server_name'] as const) {
      if (rule[key] !== undefined && !secure) complain(key, 'belongs to tls: true');
    }
    for (const key of ['status', 'auth', 'header'] as const) {
      if (rule[key] !== undefined && probe !== 'http') complain(key, 'belongs to probe: http');
    }
    if (rule.auth !== undefined && rule.secret === undefined) complain('auth', 'needs a secret');
    if ((rule.auth === 'header') !== (rule.header !== undefined))
      complain('header', 'belongs to auth: header, which needs it');
    const known = Object.keys(fieldsOf(rule));
    for (const name of Object.keys(rule.fields ?? {}).filter((one) => !known.includes(one))) {
      complain(
        'fields',
        known.length === 0 ? 'needs a secret' : `has ${name}: this probe uses ${known.join(', ')}`,
      );
    }
  });

type Ready = z.infer<typeof ready>;

const ADDRESSES: Readonly<Record<ProbeKind, string>> = {
  tcp: 'must be host:port',
  tls: 'must be host:port',
  http: 'must be a URL such as https://api.internal/health, without a user',
  postgres: 'must be host:port/database, such as db.internal:5432/app',
  mysql: 'must be host:port/database, such as db.internal:3306/app',
  redis: 'must be host:port, with the number of the database behind a slash if it is not 0',
  amqp: 'must be host:port/vhost, such as mq.internal:5672/app',
  ldap: 'must be host:port',
};

/** With a value in each slot that fits everywhere, a port too. */
const filled = (address: string): string => address.replace(/\{\{[^}]*\}\}/g, '1');

const usesTls = ({ probe, tls, address }: Pick<Ready, 'probe' | 'tls' | 'address'>): boolean =>
  probe === 'tls' || tls === true || (probe === 'http' && address.startsWith('https:'));

const fieldsOf = ({ probe, secret, auth = 'basic' }: Pick<Ready, 'probe' | 'secret' | 'auth'>) =>
  secret === undefined ? {} : probe === 'http' ? HTTP_FIELDS[auth] : (LOGIN[probe] ?? {});

export function probeRule(rule: Ready): ProbeRule {
  const { probe, secret, address, timeout, status: wanted = 200, auth = 'basic', header } = rule;
  return {
    kind: probe,
    address,
    timeoutMs: timeout,
    tls: usesTls(rule),
    fields: { ...fieldsOf(rule), ...rule.fields },
    ...defined({ secret, caFile: rule.ca_file, serverName: rule.server_name }),
    ...(probe === 'http' ? { http: { status: [wanted].flat(), auth, ...defined({ header }) } } : {}),
  };
}
