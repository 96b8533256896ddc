// Owns the request to an HTTP API: ready is who is answered with the expected status. Redirects are not followed: they
// would take the credential elsewhere.

import { readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Credential, Probe, Target } from '../../domain/probe.ts';
import { NotYet } from '../../ports/probes.ts';
import { meaningOf } from './wire.ts';

export function http(
  probe: Probe,
  target: Target,
  signal: AbortSignal,
  credential: Credential,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const wanted = probe.http?.status ?? [200];
  const options = {
    host: target.host,
    port: target.port,
    path: target.name,
    method: 'GET',
    headers: {
      'user-agent': 'tasklease',
      accept: '*/*',
      connection: 'close',
      ...authorization(probe, credential),
    },
    agent: false,
    signal,
    ...(probe.serverName === undefined ? {} : { servername: probe.serverName }),
  };
  try {
    const request = probe.address.startsWith('https:')
      ? requestHttps({
          ...options,
          ...(probe.caFile === undefined ? {} : { ca: readFileSync(probe.caFile) }),
        })
      : requestHttp(options);
    request.on('error', (error) => reject(new NotYet(signal.aborted ? '' : meaningOf(error))));
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      if (wanted.includes(status)) resolve();
      else reject(new NotYet(`answers ${status} instead of ${wanted.join(' or ')}`));
    });
    request.end();
  } catch (error) {
    reject(new NotYet(meaningOf(error as Error)));
  }
  return promise;
}

function authorization({ http: how }: Probe, credential: Credential): Record<string, string> {
  const { username, password, token, value } = credential;
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  if (value !== undefined) return { [how?.header ?? 'authorization']: value };
  if (username === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}
