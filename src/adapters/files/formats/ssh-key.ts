// Format ssh-key: what ssh reads as IdentityFile, or as the certificate beside it in `<name>-cert.pub` (ssh(1), -i).
// ssh refuses a key without a newline at its end, which is lost easily on the way into a secret.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';
import { blocks } from './pem-blocks.ts';

const CERTIFICATE = /^[a-z0-9@.-]+-cert-v01@openssh\.com [A-Za-z0-9+/]+=*(?: [^\r\n]*)?$/;

export function sshKey(values: Values, { part = 'private_key' }: RuleOf<'ssh-key'>): string {
  const found = values.part(part);
  if (part === 'private_key') {
    const [key, ...more] = blocks(values, found, 'private_key');
    if (more.length > 0) values.refuse(found, 'has more than one private key', 'keep one key in a field');
    return key!;
  }
  const text = values.within(found).trim();
  if (!CERTIFICATE.test(text)) {
    values.refuse(found, 'is no OpenSSH certificate', 'take the field signed_key of ssh/sign or ssh/issue');
  }
  return `${text}\n`;
}
