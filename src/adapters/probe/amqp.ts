// Owns the login at an AMQP 0-9-1 broker such as RabbitMQ (spec, 4.2.3 and class connection): SASL PLAIN, then the
// virtual host is opened, as a client would do it.

import { NotYet } from '../../ports/probes.ts';
import { type Attempt, over, type Wire } from './wire.ts';

const START = [10, 10] as const;
const TUNE = [10, 30] as const;
const OPEN_OK = [10, 41] as const;
const CLOSE = [10, 50] as const;
const FRAME_END = 0xce;

export const amqp: Attempt = (probe, target, signal, { username = '', password = '' }) =>
  over(target, signal, async (wire) => {
    if (probe.tls) await wire.secure(probe, target);
    wire.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
    await expect(wire, START);
    // RabbitMQ names a refusal instead of hanging up on those who can take it.
    const properties = table([['capabilities', table([['authentication_failure_close', true]])]]);
    send(wire, [10, 11], [properties, short('PLAIN'), long(`\0${username}\0${password}`), short('en_US')]);
    const tune = await expect(wire, TUNE);
    // Its own limits, without heartbeats.
    send(wire, [10, 31], [tune.subarray(4, 10), Buffer.alloc(2)]);
    const vhost = decodeURIComponent(target.name) || '/';
    send(wire, [10, 40], [short(vhost), short(''), Buffer.alloc(1)]);
    await expect(wire, OPEN_OK);
    send(wire, CLOSE, [Buffer.from([0, 200]), short(''), Buffer.alloc(4)]);
  });

type Method = readonly [number, number];

function send(wire: Wire, [klass, method]: Method, fields: readonly Buffer[]): void {
  const body = Buffer.concat(fields);
  const head = Buffer.alloc(11);
  head.writeUInt8(1);
  head.writeUInt32BE(4 + body.length, 3);
  head.writeUInt16BE(klass, 7);
  head.writeUInt16BE(method, 9);
  wire.write(Buffer.concat([head, body, Buffer.from([FRAME_END])]));
  body.fill(0);
}

/** The payload of the method that must come, class and method included. */
async function expect(wire: Wire, [klass, method]: Method): Promise<Buffer> {
  const head = await wire.read(7);
  // A broker of another version says so with its own header.
  if (head.readUInt8() !== 1) throw new NotYet('answers in another protocol');
  const frame = await wire.read(head.readUInt32BE(3) + 1);
  if (frame.length < 5 || frame.at(-1) !== FRAME_END) throw new NotYet('answers in another protocol');
  const [saidClass, saidMethod] = [frame.readUInt16BE(), frame.readUInt16BE(2)];
  if (saidClass === klass && saidMethod === method) return frame;
  if (saidClass === CLOSE[0] && saidMethod === CLOSE[1]) throw new NotYet(meaning(frame.readUInt16BE(4)));
  throw new NotYet('answers in another protocol');
}

/** By its reply code (spec, 1.2): the text may repeat what it was given. */
function meaning(code: number): string {
  if (code === 403) return 'refuses the credential';
  if (code === 402 || code === 530) return 'does not let it into the virtual host';
  return `refuses with ${code}`;
}

const sized = (bytes: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
};
const long = (text: string): Buffer => sized(Buffer.from(text));
const short = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new NotYet('has a virtual host with too long a name');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
};
const table = (entries: readonly (readonly [string, Buffer | true])[]): Buffer =>
  sized(
    Buffer.concat(
      entries.map(([name, value]) =>
        Buffer.concat([
          short(name),
          value === true ? Buffer.from('t\x01', 'latin1') : Buffer.concat([Buffer.from('F'), value]),
        ]),
      ),
    ),
  );
