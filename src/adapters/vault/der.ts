// Owns the few shapes of DER (X.690) that a certificate request is made of.

/** One value with its tag and length. */
export function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content]);
}

export const sequence = (...items: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(items));
export const set = (...items: readonly Buffer[]): Buffer => der(0x31, Buffer.concat(items));
export const octets = (content: Buffer): Buffer => der(0x04, content);
export const bitString = (content: Buffer): Buffer => der(0x03, Buffer.concat([Buffer.alloc(1), content]));
export const context = (n: number, content: Buffer): Buffer => der(0xa0 | n, content);
/** A small one, below 128. */
export const integer = (value: number): Buffer => der(0x02, Buffer.from([value]));
export const NULL: Buffer = der(0x05, Buffer.alloc(0));

/** An object identifier in dots. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part % 128];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(0x80 | (left % 128));
    }
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}
