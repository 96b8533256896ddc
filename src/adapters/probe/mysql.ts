// Owns the login at MySQL and MariaDB (MySQL Internals, Connection Phase): native passwords, caching_sha2_password and
// what either switches to. Invariant: a password crosses the wire in the clear only inside TLS, else encrypted with
// the server's own key.

import { constants, createHash, publicEncrypt } from 'node:crypto';
import type { Probe } from '../../domain/probe.ts';
import { NotYet } from '../../ports/probes.ts';
import { type Attempt, over, type Wire } from './wire.ts';

const FLAGS = {
  connectWithDb: 0x8,
  protocol41: 0x200,
  ssl: 0x800,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
} as const;
const UTF8MB4 = 45;
const LARGEST = 0x1000000;

interface Packet {
  readonly seq: number;
  readonly body: Buffer;
}

export const mysql: Attempt = (probe, target, signal, { username = '', password = '' }) =>
  over(target, signal, async (wire) => {
    const greeting = await next(wire);
    if (greeting.body[0] === 0xff) throw new NotYet(meaning(greeting.body));
    const { plugin, salt, flags } = greet(greeting.body);
    const database = decodeURIComponent(target.name);
    const wanted =
      FLAGS.protocol41 |
      FLAGS.secureConnection |
      FLAGS.pluginAuth |
      (database === '' ? 0 : FLAGS.connectWithDb) |
      (probe.tls ? FLAGS.ssl : 0);
    const head = Buffer.alloc(32);
    head.writeUInt32LE(wanted);
    head.writeUInt32LE(LARGEST, 4);
    head.writeUInt8(UTF8MB4, 8);
    let seq = greeting.seq + 1;
    if (probe.tls) {
      if ((flags & FLAGS.ssl) === 0) throw new NotYet('does not speak TLS');
      send(wire, seq++, Buffer.from(head));
      await wire.secure(probe, target);
    }
    const answer = scramble(plugin, password, salt);
    const rest = [zero(username), Buffer.from([answer.length]), answer];
    if (database !== '') rest.push(zero(database));
    send(wire, seq, Buffer.concat([head, ...rest, zero(plugin)]));
    await conclude(wire, probe, password, salt, plugin);
  });

/** Until the server has said yes or no. */
async function conclude(
  wire: Wire,
  probe: Probe,
  password: string,
  first: Buffer,
  named: string,
): Promise<void> {
  let salt = first;
  let plugin = named;
  for (;;) {
    const { seq, body } = await next(wire);
    switch (body[0]) {
      case 0x00:
        return;
      case 0xff:
        throw new NotYet(meaning(body));
      case 0xfe: {
        const end = body.indexOf(0, 1);
        plugin = body.toString('latin1', 1, end < 0 ? body.length : end);
        salt = body.subarray(end + 1, end + 21);
        send(wire, seq + 1, scramble(plugin, password, salt));
        break;
      }
      case 0x01:
        // caching_sha2_password: 3 is "known to the cache", 4 asks for the password itself.
        if (plugin === 'caching_sha2_password' && body[1] === 3) break;
        await inFull(wire, probe, password, salt, { seq, body });
        break;
      default:
        throw new NotYet('answers in another protocol');
    }
  }
}

async function inFull(
  wire: Wire,
  probe: Probe,
  password: string,
  salt: Buffer,
  { seq, body }: Packet,
): Promise<void> {
  if (body[1] !== 4) throw new NotYet('answers in another protocol');
  const clear = zero(password);
  if (probe.tls) return send(wire, seq + 1, clear);
  send(wire, seq + 1, Buffer.from([2]));
  const reply = await next(wire);
  const mixed = Buffer.from(clear.map((byte, i) => byte ^ salt[i % salt.length]!));
  clear.fill(0);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  try {
    send(
      wire,
      reply.seq + 1,
      publicEncrypt({ key: reply.body.subarray(1).toString('latin1'), padding }, mixed),
    );
  } catch (error) {
    if (error instanceof NotYet) throw error;
    throw new NotYet('gives no key to send the password with: say tls: true');
  } finally {
    mixed.fill(0);
  }
}

function scramble(plugin: string, password: string, salt: Buffer): Buffer {
  if (password === '') return Buffer.alloc(0);
  switch (plugin) {
    case 'mysql_native_password':
      return mixedHash('sha1', password, salt, true);
    case 'caching_sha2_password':
      return mixedHash('sha256', password, salt, false);
    default:
      throw new NotYet('asks for a login that the probe does not know');
  }
}

/** hash(password) ⊕ hash of the salt and hash(hash(password)), in the order that the plugin has. */
function mixedHash(kind: 'sha1' | 'sha256', password: string, salt: Buffer, saltFirst: boolean): Buffer {
  const hash = (...parts: readonly (Buffer | string)[]): Buffer => {
    const digest = createHash(kind);
    for (const part of parts) digest.update(part);
    return digest.digest();
  };
  const once = hash(password);
  const twice = hash(once);
  const mask = saltFirst ? hash(salt, twice) : hash(twice, salt);
  return Buffer.from(once.map((byte, i) => byte ^ mask[i]!));
}

/** HandshakeV10. */
function greet(body: Buffer): { plugin: string; salt: Buffer; flags: number } {
  const at = body.indexOf(0, 1) + 1;
  if (body[0] !== 10 || at === 0 || body.length < at + 44) throw new NotYet('answers in another protocol');
  const flags = body.readUInt16LE(at + 13) | (body.readUInt16LE(at + 18) << 16);
  const salt = Buffer.concat([body.subarray(at + 4, at + 12), body.subarray(at + 31, at + 43)]);
  const plugin = body.toString('latin1', at + 44).replace(/\0.*$/s, '');
  return { plugin: plugin === '' ? 'mysql_native_password' : plugin, salt, flags };
}

/** By its number (MySQL and MariaDB error codes): the text may repeat what it was given. */
function meaning(body: Buffer): string {
  const code = body.length < 3 ? 0 : body.readUInt16LE(1);
  switch (code) {
    case 1045:
    case 1698:
      return 'refuses the credential';
    case 1044:
      return 'does not let it into the database';
    case 1049:
      return 'has no such database';
    case 1040:
    case 1203:
      return 'has no connection left';
    case 1129:
    case 1130:
      return 'does not let this host in';
    default:
      return `refuses with error ${code}`;
  }
}

async function next(wire: Wire): Promise<Packet> {
  const head = await wire.read(4);
  return { seq: head[3]!, body: await wire.read(head.readUIntLE(0, 3)) };
}

function send(wire: Wire, seq: number, body: Buffer): void {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head.writeUInt8(seq & 255, 3);
  wire.write(Buffer.concat([head, body]));
}

const zero = (text: string): Buffer => Buffer.from(`${text}\0`);
