// Format raw: one field, byte for byte, nothing added. Vault's values are text: bytes are stored as base64 (RFC 4648
// §4) and decoded here.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';

export function raw(values: Values, { field, encoding }: RuleOf<'raw'>): Buffer {
  const found = values.named(field);
  const text = values.plain(found);
  if (encoding === undefined) return Buffer.from(text);
  const packed = text.replace(/[\r\n\t ]/g, '');
  const bytes = Buffer.from(packed, 'base64');
  // Decoding passes over whatever it does not know: only what encodes to the same text was base64.
  if (bytes.toString('base64') === packed) return bytes;
  bytes.fill(0);
  return values.refuse(
    found,
    'is not base64 with padding (RFC 4648 section 4)',
    'store it as `base64 -w0` prints it',
  );
}
