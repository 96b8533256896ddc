// Owns the simple bind at a directory (RFC 4511, 4.2): version 3, a name and a password.

import { NotYet } from '../../ports/probes.ts';
import { type Attempt, over, type Wire } from './wire.ts';

export const ldap: Attempt = (probe, target, signal, { username = '', password = '' }) =>
  over(target, signal, async (wire) => {
    if (probe.tls) await wire.secure(probe, target);
    // A bind without a password succeeds as nobody (RFC 4513, 5.1.2), which proves nothing.
    if (username === '' || password === '')
      throw new NotYet('is not asked: the name or the password is empty');
    const bind = element(
      0x60,
      element(2, [3]),
      element(4, Buffer.from(username)),
      element(0x80, Buffer.from(password)),
    );
    wire.write(element(0x30, element(2, [1]), bind));
    const result = await resultCode(wire);
    if (result !== 0) throw new NotYet(meaning(result));
    wire.write(element(0x30, element(2, [2]), element(0x42)));
  });

/** Of the bind response: message id, then the enumerated code as the first thing in it. */
async function resultCode(wire: Wire): Promise<number> {
  const message = await readElement(wire, 0x30);
  const id = partOf(message, 0x02);
  const response = partOf(message.subarray(id.end), 0x61);
  const code = partOf(response.body, 0x0a).body;
  if (code.length < 1 || code.length > 4) throw new NotYet('answers in another protocol');
  return code.readUIntBE(0, code.length);
}

/** By its code (RFC 4511, appendix A): the message may repeat what it was given. */
function meaning(code: number): string {
  switch (code) {
    case 49:
      return 'refuses the credential';
    case 32:
      return 'knows no such name';
    case 8:
    case 13:
      return 'wants TLS or a stronger login';
    case 51:
    case 52:
      return 'is busy';
    default:
      return `refuses with result code ${code}`;
  }
}

/** BER: tag, length, content. */
function element(tag: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = body;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 255];
  if (length > 65_535) throw new NotYet('is not asked: the name or the password is too long');
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

async function readElement(wire: Wire, tag: number): Promise<Buffer> {
  const head = await wire.read(2);
  if (head[0] !== tag) throw new NotYet('answers in another protocol');
  const size = head[1]!;
  if (size < 128) return wire.read(size);
  if (size > 0x84 || size === 0x80) throw new NotYet('answers in another protocol');
  const more = await wire.read(size - 0x80);
  return wire.read(more.readUIntBE(0, more.length));
}

function partOf(bytes: Buffer, tag: number): { body: Buffer; end: number } {
  const size = bytes[1] ?? 0x80;
  const bytesOfSize = size < 128 ? 0 : size - 0x80;
  if (bytes[0] !== tag || size === 0x80 || bytesOfSize > 4 || bytes.length < 2 + bytesOfSize)
    throw new NotYet('answers in another protocol');
  const start = 2 + bytesOfSize;
  const length = bytesOfSize === 0 ? size : bytes.readUIntBE(2, bytesOfSize);
  if (bytes.length < start + length) throw new NotYet('answers in another protocol');
  return { body: bytes.subarray(start, start + length), end: start + length };
}
