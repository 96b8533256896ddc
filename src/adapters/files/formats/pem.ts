// Format pem: key, certificate and chain one after another, as servers load them (nginx, "ssl_certificate"; RFC 8446
// §4.4.2: each certificate certifies the one before it). A block that is there already is not repeated.

import type { PemPart, RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';
import { blocks } from './pem-blocks.ts';

const ALL: readonly PemPart[] = ['private_key', 'certificate', 'ca_chain'];

/** The parts that are named; without names those that are there, and the certificate at least. */
export function pem(values: Values, { parts }: RuleOf<'pem'>): string {
  const taken = (parts ?? ALL).flatMap((part) => {
    const found = parts === undefined && part !== 'certificate' ? values.maybe(part) : values.part(part);
    return found === undefined ? [] : blocks(values, found, part === 'private_key' ? part : 'certificate');
  });
  return [...new Set(taken)].join('');
}
