// Story 2: a CI job publishes one artifact, once; what it got for that is of no use to another pipeline.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { assertionOf } from '../../harness/issuer.ts';
import { callWith, type MtlsTarget, mtlsTarget } from '../../harness/mtls-target.ts';
import { otherUser } from '../../harness/other-user.ts';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';
import { until } from '../../harness/until.ts';

let registry: MtlsTarget;
const published = new Set<string>();
/** What is being published, and how to let it go on. */
let upload: { readonly goOn: () => void } | undefined;

story({
  name: '02-publish-once',
  promise:
    'a CI job publishes the artifact that the CI vouches for, once; another pipeline can use neither its word nor its certificate',
  prepare: async (stage) => {
    registry = await mtlsTarget(stage.world.vault, async (name, request, response) => {
      const artifact = request.url!.replace('/artifacts/', '');
      if (name !== `${artifact}.publish.internal`) return void response.writeHead(403).end();
      if (published.has(artifact)) return void response.writeHead(409).end();
      published.add(artifact);
      await new Promise<void>((goOn) => {
        upload = { goOn };
      });
      response.writeHead(201).end();
    });
    stage.closers.push(registry.close);
  },
  tell: async (stage) => {
    published.clear();
    upload = undefined;
    const common = dirname(stage.world.paths.secrets);
    const word = (name: string, changes: Record<string, unknown> = {}) => {
      const claims = { artifact: 'shop-v1.2.3', ref: 'refs/tags/v1.2.3', sub: `job-${name}-${stage.round}` };
      const jwt = assertionOf(stage.issuer, { ...claims, ...changes });
      writeFileSync(join(common, name), jwt, { mode: 0o644 });
      return jwt;
    };
    writeFileSync(join(common, 'ca.pem'), registry.ca, { mode: 0o644 });
    const job = (id: string, jwt: string) =>
      stage.script([id, '/etc/hostname', 'shop-v1.2.3'], {
        CI_JWT_FILE: join(common, jwt),
        REGISTRY: registry.url,
        REGISTRY_CA: join(common, 'ca.pem'),
      });

    const jwt = word('own');
    const task = `publish-${stage.round}`;
    const running = job(stage.round, 'own');
    await until('it is publishing', () => upload !== undefined || running.child.exitCode !== null);
    expect(running.child.exitCode, running.said.stderr).toBeNull();
    const [pem, token] = [await stage.world.file(task, 'client.pem'), stage.tokenOf(task, jwt)];

    // Another pipeline beside it: it sees neither the task nor its file, and its own word is for something else.
    const neighbour = otherUser(1001, 1001);
    expect((await neighbour.call(stage.world.paths.socket, 'GET', `/v1/tasks/${task}`)).status).toBe(404);
    const file = join(stage.world.paths.secrets, task, 'current', 'client.pem');
    expect(await neighbour.read(file)).toEqual({ error: 'EACCES' });
    const login = (other: string) =>
      stage.world.vault.request('POST', 'auth/jwt/login', { role: 'publish-once', jwt: other }, '');
    for (const [name, changes] of [
      ['repository', { repository: 'acme/report' }],
      ['branch', { ref: 'refs/heads/main' }],
      ['artifact', { artifact: 'report-v1.2.3' }],
    ] as const) {
      const other = word(name, changes);
      expect((await login(other)).status, name).toBe(400);
      const start = { profile: 'publish-once', event: { type: 'ci_job', id: name }, assertion: other };
      const reply = await stage.put(stage.id(name), { ...start, bind: { connection: true } });
      expectProblem(reply, 403, 'PROFILE_DENIED');
    }
    const refused = await stage.ledger('--profile', 'publish-once', '--outcome', 'refused');
    expect(refused.map(({ event }) => event?.id)).toEqual(expect.arrayContaining(['repository', 'branch']));
    const put = (name: string) => callWith(registry, pem, 'PUT', `/artifacts/${name}`, 'x');
    expect(await put('shop-v1.2.4')).toMatchObject({ status: 403 });
    expect(await put('shop-v1.2.3')).toMatchObject({ status: 409 });
    const issue = (role: string, name: string) =>
      [token, 'POST', `pki/issue/${role}`, { common_name: `${name}.publish.internal`, ttl: '60s' }] as const;
    expect((await stage.vaultAs(...issue('publish', 'shop-v1.2.4'))).status).toBe(400);
    await stage.refusedByVault(...issue('app', 'shop-v1.2.4'));
    await stage.refusedByVault(token, 'GET', 'secret/data/app/prod');

    upload!.goOn();
    expect(await running.ended, running.said.stderr).toBe(0);
    expect(await put('shop-v1.2.3')).toMatchObject({
      status: 401,
      text: expect.stringContaining('CERT_REVOKED'),
    });
    expect((await stage.vaultAs(...issue('publish', 'shop-v1.2.3'))).status).toBe(403);
    // The CI's word again: under another name, and by another agent, which would find it in Vault.
    const again = job(`again-${stage.round}`, 'own');
    expect(await again.ended).toBe(125);
    expect(again.said.stderr).toContain('IDENTITY_REJECTED');
    const uses = await stage.admin('GET', 'tasklease-uses/metadata?list=true');
    expect((uses.data!.keys as string[]).length).toBeGreaterThan(0);
    const event = { type: 'ci_job', id: `acme/shop/${stage.round}` };
    await stage.isOver(task, 'completed', { profile: 'publish-once', event, assertion: jwt });
    await stage.isOnRecord(task, event.type, event.id);
    expectProblem(
      await stage.put(stage.id('none'), { profile: 'publish-once', event }),
      401,
      'IDENTITY_REJECTED',
    );
  },
});
