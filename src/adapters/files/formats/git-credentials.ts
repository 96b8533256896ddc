// Format git-credentials: one line for git's own helper, `store --file` (git-credential-store(1)). git refuses line
// breaks however they are encoded (gitcredentials(7), credential.protectProtocol).

import type { RuleOf } from '../../../domain/file-rule.ts';
import { LINE_BREAK, type Limit, type Values } from '../values.ts';
import { encoded } from './url.ts';

const NO_URL: Limit = [
  /^(?!https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?:\/[A-Za-z0-9._~/-]*)?$)/,
  'no http or https URL',
];

export function gitCredentials(values: Values, rule: RuleOf<'git-credentials'>): string {
  const url = rule.url ?? values.text('url', NO_URL);
  const account = ['username', 'password'].map((part) => encoded(values.text(part, LINE_BREAK))).join(':');
  return `${url.replace('://', `://${account}@`).replace(/\/$/, '')}\n`;
}
