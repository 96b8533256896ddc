// Owns the login at PostgreSQL (docs, Frontend/Backend Protocol): ready is who may send queries to the database.

import { createHash } from 'node:crypto';
import { NotYet } from '../../ports/probes.ts';
import { Scram } from './scram.ts';
import { type Attempt, over, type Wire } from './wire.ts';

const PROTOCOL = 196_608;
const SSL_REQUEST = 80_877_103;

export const postgres: Attempt = (probe, target, signal, { username = '', password = '' }) =>
  over(target, signal, async (wire) => {
    if (probe.tls) {
      wire.write(Buffer.from(int32(8, SSL_REQUEST)));
      if ((await wire.read(1)).toString('latin1') !== 'S') throw new NotYet('does not speak TLS');
      await wire.secure(probe, target, 'postgresql');
    }
    const parameters = `user\0${username}\0database\0${decodeURIComponent(target.name) || username}\0\0`;
    wire.write(sized(Buffer.concat([int32(PROTOCOL), Buffer.from(parameters)])));
    await login(wire, username, password);
    wire.write(message('X', Buffer.alloc(0)));
  });

async function login(wire: Wire, username: string, password: string): Promise<void> {
  const scram = new Scram();
  for (;;) {
    const { type, body } = await next(wire);
    if (type === 'Z') return;
    if (type === 'E') throw new NotYet(meaning(body));
    if (type !== 'R') continue;
    const method = body.length < 4 ? -1 : body.readInt32BE();
    switch (method) {
      case 0: // ok
        break;
      case 3:
        wire.write(message('p', zero(password)));
        break;
      case 5:
        wire.write(message('p', zero(md5(username, password, body.subarray(4, 8)))));
        break;
      case 10: {
        if (!body.includes('SCRAM-SHA-256\0'))
          throw new NotYet('asks for a login that the probe does not know');
        const first = scram.first();
        wire.write(message('p', Buffer.concat([zero('SCRAM-SHA-256'), int32(first.length), first])));
        break;
      }
      case 11:
        wire.write(message('p', await scram.final(body.subarray(4), password)));
        break;
      case 12:
        scram.check(body.subarray(4));
        break;
      default:
        throw new NotYet('asks for a login that the probe does not know');
    }
  }
}

/** The password and the name first, then with the salt, whose bytes are taken as they are. */
function md5(username: string, password: string, salt: Buffer): string {
  const inner = createHash('md5').update(password).update(username).digest('hex');
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`;
}

async function next(wire: Wire): Promise<{ type: string; body: Buffer }> {
  const head = await wire.read(5);
  const length = head.readInt32BE(1) - 4;
  if (length < 0) throw new NotYet('answers in another protocol');
  return { type: head.toString('latin1', 0, 1), body: await wire.read(length) };
}

/** By its SQLSTATE alone (docs, PostgreSQL Error Codes): the message may repeat what it was given. */
function meaning(body: Buffer): string {
  const code = /(?:^|\0)C([0-9A-Z]{5})\0/.exec(body.toString('latin1'))?.[1] ?? 'unknown';
  switch (code) {
    case '28P01':
    case '28000':
      return 'refuses the credential';
    case '3D000':
      return 'has no such database';
    case '57P03':
      return 'is starting up';
    case '53300':
      return 'has no connection left';
    case '42501':
      return 'does not let it into the database';
    default:
      return `refuses with ${code}`;
  }
}

function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeInt32BE(value, 4 * i);
  return bytes;
}

const sized = (body: Buffer): Buffer => Buffer.concat([int32(body.length + 4), body]);
const message = (type: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(type), sized(body)]);
const zero = (text: string): Buffer => Buffer.from(`${text}\0`);
