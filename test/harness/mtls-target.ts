// Owns an internal service that knows its clients by certificates of Vault's PKI. Invariant: it trusts nothing but
// Vault's CA and Vault's revocation list as it is at each connection; the agent is not asked.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSecureContext, type TLSSocket } from 'node:tls';
import type { VaultServer } from '../../src/dev/vault-server.ts';

type Asked = Pick<VaultServer, 'address' | 'request'>;

/** Answers a client whose certificate is good; `name` is its common name. */
export type Handler = (
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

export interface MtlsTarget {
  readonly url: string;
  /** The CA, for clients. */
  readonly ca: string;
  close(): void;
}

const text = async (vault: Asked, path: string): Promise<string> =>
  (await fetch(`${vault.address}/v1/${path}`)).text();

export const mtlsTarget = async (vault: Asked, handler: Handler): Promise<MtlsTarget> => {
  // Without a lease: it is no task's.
  const role = { allow_any_name: true, enforce_hostnames: false, key_type: 'ec', key_bits: 256 };
  await vault.request('POST', 'pki/roles/servers', role);
  const made = await vault.request('POST', 'pki/issue/servers', { common_name: 'localhost', ttl: '1h' });
  const { certificate, private_key } = made.body.data as Record<string, string>;
  const ca = await text(vault, 'pki/ca/pem');
  const own = { cert: certificate!, key: private_key! };
  const server: Server = createServer(
    {
      ...own,
      requestCert: true,
      // Told by the handler below, so that a client sees why.
      rejectUnauthorized: false,
      SNICallback: (_name, done) => {
        text(vault, 'pki/crl/pem').then(
          (crl) => done(null, createSecureContext({ ...own, ca, crl })),
          (error: Error) => done(error),
        );
      },
    },
    (request, response) => {
      const socket = request.socket as TLSSocket;
      if (!socket.authorized) {
        response.writeHead(401).end(`${socket.authorizationError}\n`);
        return;
      }
      const { CN } = socket.getPeerCertificate().subject;
      void Promise.resolve(handler(String(CN), request, response)).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    ca,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

/** One call with this certificate and key (PEM, in one text or two); the status and what was said. */
export const callWith = (
  target: MtlsTarget,
  pem: string | null,
  method: string,
  path: string,
  body = '',
): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const identity = pem === null ? {} : { cert: pem, key: pem };
    const sent = httpsRequest(`${target.url}${path}`, {
      method,
      ca: target.ca,
      ...identity,
      agent: false,
      family: 4,
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let said = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: said }));
    });
    sent.end(body);
  });
