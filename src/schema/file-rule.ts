// Owns how a profile describes one file: its format with the format's options, what goes into it, who may read it.
// Invariant: an option belongs to its format; one of another format is refused by name.

import * as z from 'zod';
import { type FileRule, type FormatName, optionFault, PARTS } from '../domain/file-rule.ts';
import { hasBrokenSlot, hasStrayBraces, isReserved, isStartSlot, slots } from '../domain/template.ts';
import { defined } from './defined.ts';
import { absolutePath, fileMode, unixId } from './scalars.ts';
import { slotFaults } from './slots.ts';

export const fileName = z
  .string()
  .regex(/^[A-Za-z0-9_.][A-Za-z0-9_.@-]{0,127}$/, 'must be a plain file name')
  .refine((text) => text !== '.' && text !== '..' && text !== 'manifest.json', 'is reserved');

export const owner = z.strictObject({ uid: unixId, gid: unixId });

const fieldName = z.string().min(1);

/** An option whose value a start may fill in; what it is held to is in the domain. */
const option = (key: string) =>
  z.string().superRefine((text, context) => {
    const message = hasStrayBraces(text)
      ? 'has braces that are not a {{slot}}'
      : slots(text).length > 0
        ? null
        : optionFault(key, text);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });

const port = z.number().int().min(1, 'must be a port').max(65_535, 'must be a port').optional();

const pem = z
  .string()
  .regex(/^-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\s-]+?-----END CERTIFICATE-----\s*$/, {
    error: 'must be one or several certificates in PEM',
  });

/** Files that their readers refuse, or pass over in silence, when more than the owner may read them. */
const isForItsOwnerAlone = (rule: { format: string; part?: string | undefined }): boolean =>
  rule.format === 'pgpass' || (rule.format === 'ssh-key' && rule.part !== 'certificate');

const common = { mode: fileMode.optional(), owner: owner.optional(), unsafe: z.boolean().default(false) };

const format = <Name extends FormatName, Shape extends z.core.$ZodLooseShape>(name: Name, shape: Shape) =>
  z.strictObject(
    { format: z.literal(name), ...shape, ...common },
    {
      error: ({ code }) =>
        code === 'unrecognized_keys'
          ? `is not an option of format ${name}: it takes ${Object.keys({ ...shape, ...common }).join(', ')}`
          : undefined,
    },
  );

/** What a ready-made format is made of, each from a field of another name if need be. */
const mapped = (name: FormatName) => ({
  fields: z
    .strictObject(Object.fromEntries(Object.keys(PARTS[name]!).map((part) => [part, fieldName.optional()])))
    .optional(),
});
const login = (name: FormatName) => ({ ...mapped(name), username: option('username').optional() });
const server = (name: FormatName) => ({ ...login(name), host: option('host').optional(), port });

const variables = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'must be a variable name'), fieldName)
  .optional();

const ruleOf = {
  json: format('json', { fields: variables }),
  dotenv: format('dotenv', { fields: variables, quoting: z.enum(['portable', 'shell']).optional() }),
  raw: format('raw', {
    field: z.string('belongs to format raw, which needs it').min(1),
    encoding: z.enum(['base64'], { error: 'must be base64' }).optional(),
  }),
  template: format('template', {
    template: z
      .string('belongs to format template, which needs it')
      .refine((text) => !hasBrokenSlot(text), 'has braces that are not a {{field}}: templates have no logic'),
  }),
  pgpass: format('pgpass', { ...server('pgpass'), database: option('database').optional() }),
  'pg-service': format('pg-service', {
    ...server('pg-service'),
    database: option('database').optional(),
    service: option('service').optional(),
    sslmode: option('sslmode').optional(),
  }),
  'database-url': format('database-url', {
    ...server('database-url'),
    database: option('database').optional(),
    scheme: option('scheme').optional(),
    query: option('query').optional(),
  }),
  'my.cnf': format('my.cnf', { ...server('my.cnf'), database: option('database').optional() }),
  'redis-url': format('redis-url', {
    ...server('redis-url'),
    tls: z.boolean().optional(),
    db: z.number().int().min(0).optional(),
  }),
  'amqp-url': format('amqp-url', {
    ...server('amqp-url'),
    tls: z.boolean().optional(),
    vhost: option('vhost').optional(),
  }),
  'aws-credentials': format('aws-credentials', {
    ...mapped('aws-credentials'),
    profile: option('profile').optional(),
    region: option('region').optional(),
  }),
  'aws-credential-process': format('aws-credential-process', mapped('aws-credential-process')),
  kubeconfig: format('kubeconfig', {
    ...mapped('kubeconfig'),
    server: option('server'),
    ca: pem.optional(),
    ca_file: absolutePath.optional(),
    namespace: option('namespace').optional(),
  }),
  netrc: format('netrc', {
    ...login('netrc'),
    machine: option('machine').optional(),
    quoted: z.boolean().optional(),
  }),
  'git-credentials': format('git-credentials', {
    ...login('git-credentials'),
    url: option('url').optional(),
  }),
  npmrc: format('npmrc', {
    ...login('npmrc'),
    registry: option('registry'),
    scope: option('scope').optional(),
  }),
  pem: format('pem', {
    ...mapped('pem'),
    parts: z
      .array(z.enum(['private_key', 'certificate', 'ca_chain']))
      .min(1)
      .optional(),
  }),
  'ssh-key': format('ssh-key', {
    ...mapped('ssh-key'),
    part: z.enum(['private_key', 'certificate']).optional(),
  }),
} satisfies { [Name in FormatName]: z.ZodObject };

export const FORMATS = Object.keys(ruleOf) as FormatName[];

/** The options of each format, as a profile writes them. */
export const optionsOf = (name: FormatName): string[] =>
  Object.keys(ruleOf[name].shape).filter((key) => key !== 'format' && !Object.hasOwn(common, key));

type Rules = typeof ruleOf;
type AnyRule = Rules[FormatName];
const members = Object.values(ruleOf) as unknown as [AnyRule, ...AnyRule[]];

export const fileRule = z
  .discriminatedUnion('format', members, {
    error: ({ code, input }) =>
      code === 'invalid_union' && input !== null && typeof input === 'object'
        ? `must be one of ${FORMATS.join(', ')}`
        : undefined,
  })
  .superRefine((rule, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const { mode = 0 } = rule;
    if ((mode & 0o007) !== 0 && !rule.unsafe) {
      complain('mode', 'is readable by everybody: say unsafe: true if that is meant');
    } else if ((mode & 0o077) !== 0 && isForItsOwnerAlone(rule)) {
      complain('mode', `lets others read a ${rule.format}, which its readers then refuse: "0400" or "0600"`);
    }
    if ('username' in rule && rule.username !== undefined && rule.fields?.username !== undefined) {
      complain('username', 'stands for fields.username: give one of them');
    }
    if (rule.format === 'kubeconfig' && rule.ca !== undefined && rule.ca_file !== undefined) {
      complain('ca_file', 'stands for ca: give one of them');
    }
  });

/** What is wrong with a file under the mode of its whole profile; null when nothing is. */
export const profileModeFault = (rule: ParsedRule, mode: number | undefined): string | null =>
  mode !== undefined && rule.mode === undefined && (mode & 0o077) !== 0 && isForItsOwnerAlone(rule)
    ? `needs a mode of its own: the profile’s lets others read a ${rule.format}, which its readers then refuse`
    : null;

type ParsedRule = z.infer<typeof fileRule>;

/** A sentence for each slot of a file that will never have a value, with the option that it is in. */
export const fileSlotFaults = (
  rule: ParsedRule,
  params: Readonly<Record<string, unknown>>,
): { key: string; fault: string }[] =>
  Object.entries(rule).flatMap(([key, text]) => {
    if (typeof text !== 'string') return [];
    // In a template, any other name is a field's: whether the secret has it, Vault alone knows.
    const named = slots(text).filter((slot) => key !== 'template' || isReserved(slot));
    return named.flatMap((slot) =>
      (isStartSlot(slot)
        ? slotFaults(`{{${slot}}}`, params)
        : [`uses {{${slot}}}, which does not exist`]
      ).map((fault) => ({ key, fault })),
    );
  });

/** The domain's rule from a parsed one. */
export const toFileRule = (name: string, { unsafe: _unsafe, fields, ...rest }: ParsedRule & Fields) =>
  ({ name, ...defined({ ...rest, fields: fields && defined(fields) }) }) as FileRule;

type Fields = { fields?: Record<string, string | undefined> | undefined };
