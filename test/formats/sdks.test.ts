// Owns the proof that the credential chain of the AWS SDK and a Kubernetes client take what is in their delivered files,
// or the value is refused.

import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fromIni, fromNodeProviderChain, fromProcess } from '@aws-sdk/credential-providers';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Certificates, certificates } from './certificates.ts';
import { type Desk, HURTING, openDesk } from './desk.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const SESSION = { access_key: 'ASIAEXAMPLE', security_token: 'IQoJb3JpZ2luX2VjE+/=' };

describe('aws-credentials', () => {
  const read = (dir: string, profile = 'default') =>
    fromIni({
      filepath: join(dir, 'credentials'),
      configFilepath: '/dev/null',
      profile,
      ignoreCache: true,
    })();

  test.each([...HURTING, 'wJalrXUtnFEMI/K7MDENG+bPxRfiCY=='])(
    'the secret key %j, or it is refused',
    async (secret_key) => {
      const delivered = await desk.deliverOrNot(
        { credentials: { format: 'aws-credentials' } },
        { ...SESSION, secret_key },
      );
      if ('refused' in delivered) {
        expect(secret_key).toMatch(/[^!-~]|["'\\]|^[#;[]/);
        expect(delivered.refused).toContain('field secret_key of secret db holds ');
        return;
      }
      expect(await read(delivered.dir)).toMatchObject({
        accessKeyId: 'ASIAEXAMPLE',
        secretAccessKey: secret_key,
        sessionToken: SESSION.security_token,
      });
    },
  );

  test('of an IAM user, which has no session, in a profile of its own', async () => {
    const data = { access_key: 'AKIA1', secret_key: 's', security_token: null, session_token: null };
    const rule = { format: 'aws-credentials', profile: 'deploy', region: 'eu-central-1' } as const;
    const dir = await desk.deliver({ credentials: rule }, data);
    expect(await read(dir, 'deploy')).toMatchObject({ accessKeyId: 'AKIA1', secretAccessKey: 's' });
    expect(await readFile(join(dir, 'credentials'), 'utf8')).toBe(
      '[deploy]\naws_access_key_id = AKIA1\naws_secret_access_key = s\nregion = eu-central-1\n',
    );
  });
});

describe('aws-credential-process', () => {
  const config = async (dir: string): Promise<string> => {
    const path = join(desk.home, `config-${Math.random()}`);
    await writeFile(path, `[default]\ncredential_process = cat ${join(dir, 'aws.json')}\n`);
    return path;
  };

  test.each(HURTING)('the secret key %j, or it is refused', async (secret_key) => {
    const delivered = await desk.deliverOrNot(
      { 'aws.json': { format: 'aws-credential-process' } },
      { ...SESSION, secret_key },
    );
    if ('refused' in delivered) return expect(secret_key).toContain('\t');
    const configFilepath = await config(delivered.dir);
    expect(await fromProcess({ filepath: '/dev/null', configFilepath, ignoreCache: true })()).toMatchObject({
      accessKeyId: 'ASIAEXAMPLE',
      secretAccessKey: secret_key,
      sessionToken: SESSION.security_token,
    });
  });

  test('through the whole chain, with the end that is known', async () => {
    const endsAt = new Date(Date.now() + 900_000).toISOString();
    const dir = await desk.deliver(
      { 'aws.json': { format: 'aws-credential-process' } },
      { ...SESSION, secret_key: 's' },
      { endsAt },
    );
    const chain = fromNodeProviderChain({
      filepath: '/dev/null',
      configFilepath: await config(dir),
      ignoreCache: true,
    });
    expect(await chain()).toMatchObject({ secretAccessKey: 's', expiration: new Date(endsAt) });
  });

  test('one that is over is not taken', async () => {
    const endsAt = new Date(Date.now() - 1000).toISOString();
    const dir = await desk.deliver(
      { 'aws.json': { format: 'aws-credential-process' } },
      { ...SESSION, secret_key: 's' },
      { endsAt },
    );
    const process = fromProcess({
      filepath: '/dev/null',
      configFilepath: await config(dir),
      ignoreCache: true,
    });
    await expect(process()).rejects.toThrow(/expired/);
  });
});

describe('kubeconfig', () => {
  let made: Certificates;
  let server: Server;
  let seen: { authorization?: string | undefined; path?: string | undefined; client?: string | undefined } =
    {};
  beforeAll(async () => {
    made = await certificates();
    server = createServer(
      { key: made.key, cert: made.certificate, ca: made.ca, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        const socket = request.socket as import('node:tls').TLSSocket;
        const client = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
        seen = {
          authorization: request.headers.authorization,
          path: request.url,
          client: client as string | undefined,
        };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ apiVersion: 'v1', kind: 'PodList', metadata: {}, items: [] }));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  const url = () => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  async function listPods(dir: string): Promise<typeof seen> {
    seen = {};
    const config = new KubeConfig();
    config.loadFromFile(join(dir, 'kubeconfig'));
    const namespace = config.getContextObject(config.currentContext)?.namespace ?? 'default';
    await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace });
    return seen;
  }

  test('the token of Vault’s kubernetes engine goes to the server, in its namespace, over the profile’s authority', async () => {
    const dir = await desk.deliver(
      { kubeconfig: { format: 'kubeconfig', server: url(), ca: made.ca } },
      {
        service_account_namespace: 'jobs',
        service_account_name: 'v-1',
        service_account_token: 'eyJh.eyJz._-09',
      },
    );
    expect(await listPods(dir)).toEqual({
      authorization: 'Bearer eyJh.eyJz._-09',
      path: '/api/v1/namespaces/jobs/pods',
      client: undefined,
    });
  });

  test('authority and namespace may be in the secret, or a file of the reader’s', async () => {
    const data = { token: 'no:true~+/=', ca_crt: made.ca.replaceAll('\n', '\r\n'), ns: 'team-a' };
    const inSecret = await desk.deliver(
      { kubeconfig: { format: 'kubeconfig', server: url(), fields: { ca: 'ca_crt', namespace: 'ns' } } },
      data,
    );
    const there = { authorization: 'Bearer no:true~+/=', path: '/api/v1/namespaces/team-a/pods' };
    expect(await listPods(inSecret)).toMatchObject(there);
    const ca_file = join(desk.home, 'ca.pem');
    await writeFile(ca_file, made.ca);
    const inFile = await desk.deliver(
      { kubeconfig: { format: 'kubeconfig', server: url(), ca_file, namespace: 'team-a' } },
      data,
    );
    expect(await listPods(inFile)).toMatchObject(there);
  });

  test('a server of another authority gets nothing', async () => {
    const other = await certificates();
    const dir = await desk.deliver(
      { kubeconfig: { format: 'kubeconfig', server: url(), ca: other.ca } },
      { token: 't' },
    );
    await expect(listPods(dir)).rejects.toThrow();
    expect(seen).toEqual({});
  });

  test('with a client certificate instead of a token', async () => {
    const dir = await desk.deliver(
      {
        kubeconfig: {
          ...{ format: 'kubeconfig', server: url(), ca: made.ca },
          fields: { certificate: 'certificate', private_key: 'private_key' },
        },
      },
      { certificate: made.certificate, private_key: made.key },
    );
    expect(await listPods(dir)).toMatchObject({ authorization: undefined, client: '127.0.0.1' });
  });

  test.each(['a b', 'a\nb', 'tök', '"', 'a#b', '\x24{x}'])('no token has %j: refused', async (token) => {
    expect(await desk.deliverOrNot({ k: { format: 'kubeconfig', server: url() } }, { token })).toEqual({
      refused: expect.stringContaining('field token of secret db holds a character that no bearer token has'),
    });
  });
});
