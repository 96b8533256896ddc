// Owns the reading of PEM (RFC 7468): the blocks of a value, each as its readers write it. Invariant: what asks for
// certificates never gets a key, whatever lies beside them.

import type { Found, Values } from '../values.ts';

export type Kind = 'private_key' | 'certificate';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n([A-Za-z0-9+/=\s:,-]*?)-----END \1-----/g;
const LABELS: Readonly<Record<Kind, RegExp>> = {
  private_key: /(?:^| )PRIVATE KEY$/,
  certificate: /^(?:X509 |TRUSTED )?CERTIFICATE$/,
};
const WORDS: Readonly<Record<Kind, string>> = { private_key: 'private key', certificate: 'certificate' };

/** Every block of one kind in a text or a list of texts, each with exactly one newline at its end. */
export function blocks(values: Values, found: Found, kind: Kind): string[] {
  const { value } = found;
  const texts = (Array.isArray(value) ? value : [value]).map((text) =>
    values.within({ ...found, value: text }),
  );
  const all = texts.flatMap((text) => {
    const rest = text.replace(BLOCK, '');
    if (/-----/.test(rest)) values.refuse(found, 'is not whole PEM', 'look whether it was cut off');
    return [...text.matchAll(BLOCK)];
  });
  const wanted = all.filter(([, label]) => LABELS[kind].test(label!));
  if (wanted.length === 0) {
    values.refuse(
      found,
      `has no ${WORDS[kind]} in PEM`,
      'have it issued or stored as PEM (for pki: format=pem)',
    );
  }
  return wanted.map(([block]) => `${block.replaceAll('\r\n', '\n')}\n`);
}
