// Owns what signs tokens for the agent's own login: a key pair of the test, and the one answer of an API server that
// Vault's kubernetes auth method asks for. The real API server is asked in test/kubernetes.

import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Signer {
  readonly publicKey: string;
  /** A JWT (RFC 7519) of these claims, valid for ten minutes. */
  sign(claims: Readonly<Record<string, unknown>>): string;
}

export function signer(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign(claims) {
      const now = Math.floor(Date.now() / 1000);
      const head = `${encoded({ alg: 'RS256', typ: 'JWT' })}.${encoded({ iat: now, exp: now + 600, ...claims })}`;
      return `${head}.${sign('sha256', Buffer.from(head), privateKey).toString('base64url')}`;
    },
  };
}

/** Says of the tokens in `good` that they are `account`'s, and of all others that they are nobody's. */
export async function tokenReviews(account: string, good: ReadonlySet<string>) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const authenticated = good.has(review.spec.token);
    const user = { username: account, uid: 'a1b2', groups: ['system:serviceaccounts'] };
    const status = authenticated
      ? { authenticated, user, audiences: review.spec.audiences }
      : { authenticated, error: 'invalid bearer token' };
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', status }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}
