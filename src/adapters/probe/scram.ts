// Owns the client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677). Invariant: the server proves that it knows the password
// too, so that nothing which merely says yes passes for the database.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { NotYet } from '../../ports/probes.ts';

const derive = promisify(pbkdf2);
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
/** A server that asks for more wants our processor, not our password. */
const MOST_ITERATIONS = 1_000_000;

export class Scram {
  readonly #nonce = randomBytes(18).toString('base64');
  readonly #bare = `n=,r=${this.#nonce}`;
  #expected: Buffer | null = null;

  /** The name is the connection's own, so it is empty here, as PostgreSQL wants it. */
  first(): Buffer {
    return Buffer.from(`n,,${this.#bare}`);
  }

  /** @throws NotYet */
  async final(challenge: Buffer, password: string): Promise<Buffer> {
    const text = challenge.toString('utf8');
    const [, nonce = '', salt = '', count = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(text) ?? [];
    const iterations = Number(count);
    if (
      !nonce.startsWith(this.#nonce) ||
      nonce === this.#nonce ||
      iterations < 1 ||
      iterations > MOST_ITERATIONS
    )
      throw new NotYet('answers in another protocol');
    const salted = await derive(
      password.normalize('NFKC'),
      Buffer.from(salt, 'base64'),
      iterations,
      32,
      'sha256',
    );
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const bare = `c=biws,r=${nonce}`;
    const signed = `${this.#bare},${text},${bare}`;
    const signature = hmac(storedKey, signed);
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!));
    this.#expected = hmac(hmac(salted, 'Server Key'), signed);
    salted.fill(0);
    clientKey.fill(0);
    return Buffer.from(`${bare},p=${proof.toString('base64')}`);
  }

  /** @throws NotYet when the server does not know the password itself */
  check(last: Buffer): void {
    const given = Buffer.from(/^v=([^,]+)/.exec(last.toString('utf8'))?.[1] ?? '', 'base64');
    const same = this.#expected !== null && given.length === 32 && timingSafeEqual(given, this.#expected);
    if (!same) throw new NotYet('does not prove that it knows the credential');
  }
}
