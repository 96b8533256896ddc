// Formats aws-credentials and aws-credential-process: what the AWS SDKs and the CLI read (AWS SDKs and Tools Reference,
// "Shared config and credentials files", "Process credential provider").

import type { RuleOf } from '../../../domain/file-rule.ts';
import { CONTROL, type Limit, type Values } from '../values.ts';

/** The SDKs differ in what they make of these in a credentials file. */
const LIMITS: readonly Limit[] = [
  [/[^\u0021-\u007e]/, 'a blank, a control character or one that is not ASCII'],
  [/["'\\]/, 'a quote or a backslash'],
  [/^[#;[]/, '"#", ";" or "[" at its beginning'],
];

/** Environments and accounts without a session have no session token: then there is no line for it. */
export function awsCredentials(values: Values, rule: RuleOf<'aws-credentials'>): string {
  const { profile = 'default', region } = rule;
  const settings = {
    aws_access_key_id: values.text('access_key', ...LIMITS),
    aws_secret_access_key: values.text('secret_key', ...LIMITS),
    aws_session_token: values.maybeText('session_token', ...LIMITS),
    region,
  };
  const lines = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} = ${value}\n`],
  );
  return `[${profile}]\n${lines.join('')}`;
}

/** For `credential_process = cat <file>`: the SDKs ask again before Expiration. */
export function awsCredentialProcess(values: Values, _rule: RuleOf<'aws-credential-process'>): string {
  const document = {
    Version: 1,
    AccessKeyId: values.text('access_key', CONTROL),
    SecretAccessKey: values.text('secret_key', CONTROL),
    SessionToken: values.maybeText('session_token', CONTROL),
    Expiration: values.own.endsAt,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
