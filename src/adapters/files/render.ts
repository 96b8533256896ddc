// Owns the bytes of a file: which format writes which rule. Invariant: a value is written exactly or the file is
// refused; never an empty value for one that is missing.

import type { FileRule, FormatName, RuleOf } from '../../domain/file-rule.ts';
import type { Delivery } from '../../ports/files.ts';
import { amqpUrl } from './formats/amqp-url.ts';
import { awsCredentialProcess, awsCredentials } from './formats/aws.ts';
import { databaseUrl } from './formats/database-url.ts';
import { dotenv } from './formats/dotenv.ts';
import { gitCredentials } from './formats/git-credentials.ts';
import { json } from './formats/json.ts';
import { kubeconfig } from './formats/kubeconfig.ts';
import { myCnf } from './formats/my-cnf.ts';
import { netrc } from './formats/netrc.ts';
import { npmrc } from './formats/npmrc.ts';
import { pem } from './formats/pem.ts';
import { pgService } from './formats/pg-service.ts';
import { pgpass } from './formats/pgpass.ts';
import { raw } from './formats/raw.ts';
import { redisUrl } from './formats/redis-url.ts';
import { sshKey } from './formats/ssh-key.ts';
import { template } from './formats/template.ts';
import { Values } from './values.ts';

/** One format: what its readers read, from values that its rule names. */
type Format<Name extends FormatName> = (values: Values, rule: RuleOf<Name>) => string | Buffer;

const FORMATS: { readonly [Name in FormatName]: Format<Name> } = {
  json,
  dotenv,
  raw,
  template,
  pgpass,
  'pg-service': pgService,
  'database-url': databaseUrl,
  'my.cnf': myCnf,
  'redis-url': redisUrl,
  'amqp-url': amqpUrl,
  'aws-credentials': awsCredentials,
  'aws-credential-process': awsCredentialProcess,
  kubeconfig,
  netrc,
  'git-credentials': gitCredentials,
  npmrc,
  pem,
  'ssh-key': sshKey,
};

/**
 * @param all every secret of the generation: a rule may name fields of others than its own
 * @throws Problem DELIVERY_FAILED that names the secret, the file and the field
 */
export function render(rule: FileRule, own: Delivery, all: readonly Delivery[]): Buffer {
  const format = FORMATS[rule.format] as Format<FormatName>;
  const content = format(new Values(rule, own, all), rule);
  return typeof content === 'string' ? Buffer.from(content) : content;
}
