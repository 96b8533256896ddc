// Story 10: an AI coding agent works on one repository and one package registry, for one pull request.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { serveGit } from '../../harness/git-remote.ts';
import { assertionOf } from '../../harness/issuer.ts';
import { callWith, type MtlsTarget, mtlsTarget } from '../../harness/mtls-target.ts';
import { WORKLOAD } from '../../harness/stage.ts';
import { story } from '../../harness/story.ts';
import { expectProblem } from '../../harness/tasks.ts';
import { until } from '../../harness/until.ts';

let git: MtlsTarget;
let registry: MtlsTarget;
const work = mkdtempSync(join(tmpdir(), 'tasklease-agent-'));

/** What the agent does: it pushes a branch and publishes a package, and goes on until it is told that it is done. */
const AGENT = `
set -e
export GIT_SSL_CERT="$TASKLEASE_DIR/git.pem" GIT_SSL_KEY="$TASKLEASE_DIR/git.pem" GIT_SSL_CAINFO="$CA"
git clone -q "$GIT/shop.git" "$WORK/shop"
cd "$WORK/shop"
git switch -qc fix
echo better >code
git add code
git -c user.name=agent -c user.email=agent@localhost commit -qm fix
git push -q origin fix
curl -fsS --cacert "$CA" --cert "$TASKLEASE_DIR/registry.pem" -T code "$REGISTRY/packages/shop"
echo pushed
while [ ! -e "$WORK/done" ]; do sleep 0.1; done`;

story({
  name: '10-coding-agent',
  promise:
    'a coding agent pushes to one repository and publishes its package, for one pull request; a subagent may less, never more',
  prepare: async (stage) => {
    const root = join(stage.world.paths.scratch, 'git');
    for (const repo of ['shop', 'report'])
      execFileSync('git', ['init', '-q', '--bare', join(root, `${repo}.git`)]);
    git = await mtlsTarget(stage.world.vault, (name, request, response) => {
      const repo = /^\/([^/]+)\.git\//.exec(request.url!)?.[1];
      if (name !== `${repo}.git.internal`) return void response.writeHead(403).end();
      return serveGit(root, name, request, response);
    });
    // Every client of the registry reads; a package is published by its own repository.
    registry = await mtlsTarget(stage.world.vault, (name, { method, url }, response) => {
      const may =
        method === 'GET'
          ? name.endsWith('.registry.internal')
          : name === `${url!.slice(10)}.registry.internal`;
      response.writeHead(may ? 200 : 403).end();
    });
    stage.closers.push(git.close, registry.close, () => rmSync(work, { recursive: true, force: true }));
  },
  tell: async (stage) => {
    const mine = join(work, stage.round);
    mkdirSync(mine);
    for (const dir of [work, mine]) chownSync(dir, WORKLOAD, WORKLOAD);
    const jwt = assertionOf(stage.issuer, { job: 'coding-agent', repo: 'shop', sub: `pr-${stage.round}` });
    writeFileSync(join(mine, 'jwt'), jwt, { mode: 0o644 });
    writeFileSync(join(mine, 'ca'), git.ca, { mode: 0o644 });
    const task = `pr-${stage.round}`;
    const agent = stage.script([stage.round, 'sh', '-c', AGENT], {
      ...{ JOB_JWT_FILE: join(mine, 'jwt'), CA: join(mine, 'ca'), WORK: mine, HOME: mine },
      ...{ GIT: git.url, REGISTRY: registry.url },
    });
    await until('it has pushed', () => agent.said.stdout.includes('pushed') || agent.child.exitCode !== null);
    expect(agent.child.exitCode, agent.said.stderr).toBeNull();
    const bare = join(stage.world.paths.scratch, 'git/shop.git');
    expect(execFileSync('git', ['-C', bare, 'show', 'fix:code'], { encoding: 'utf8' })).toBe('better\n');
    execFileSync('git', ['-C', bare, 'update-ref', '-d', 'refs/heads/fix']);

    const [token, pem] = [stage.tokenOf(task), await stage.world.file(task, 'git.pem')];
    const refs = (of: string, repo: string) =>
      callWith(git, of, 'GET', `/${repo}.git/info/refs?service=git-receive-pack`);
    expect((await refs(pem, 'shop')).status).toBe(200);
    expect((await refs(pem, 'report')).status).toBe(403);
    const issue = (of: string, role: string, common_name: string) =>
      [of, 'POST', `pki/issue/${role}`, { common_name, ttl: '60s' }] as const;
    expect((await stage.vaultAs(...issue(token, 'git', 'report.git.internal'))).status).toBe(400);
    await stage.refusedByVault(...issue(token, 'app', 'report.git.internal'));
    await stage.refusedByVault(token, 'GET', 'secret/data/app/prod');

    // The subagent reads packages. It publishes none, comes to no repository, and can start neither kind of agent.
    const errand = stage.id('errand');
    const child = 'coding-agent-subagent';
    await stage.start(errand, { parent: task }, child);
    const [less, reader] = [stage.tokenOf(errand), await stage.world.file(errand, 'registry.pem')];
    expect((await callWith(registry, reader, 'GET', '/packages/shop')).status).toBe(200);
    expect((await callWith(registry, reader, 'PUT', '/packages/shop')).status).toBe(403);
    expect((await refs(reader, 'shop')).status).toBe(403);
    await stage.refusedByVault(...issue(less, 'git', 'shop.git.internal'));
    await stage.refusedByVault(...issue(less, 'registry', 'shop.registry.internal'));
    await stage.refusedByVault(...issue(less, 'app', 'shop.git.internal'));
    const start = {
      profile: 'coding-agent',
      event: { type: 'pull_request', id: `acme/shop#${stage.round}` },
    };
    expectProblem(
      await stage.put(stage.id('more'), { ...start, bind: { connection: true } }),
      401,
      'IDENTITY_REJECTED',
    );
    expectProblem(await stage.put(stage.id('deeper'), { parent: errand }, child), 403, 'PROFILE_DENIED');

    writeFileSync(join(mine, 'done'), '');
    expect(await agent.ended, agent.said.stderr).toBe(0);
    for (const [of, target, path] of [
      [pem, git, '/shop.git/info/refs?service=git-receive-pack'],
      [reader, registry, '/packages/shop'],
    ] as const) {
      expect(await callWith(target, of, 'GET', path)).toMatchObject({ status: 401, text: 'CERT_REVOKED\n' });
    }
    expect((await stage.vaultAs(...issue(token, 'git', 'shop.git.internal'))).status).toBe(403);
    await stage.isOver(task, 'completed', { ...start, assertion: jwt });
    await stage.isOver(errand, 'completed', { parent: task }, child);
    await stage.isOnRecord(task, 'pull_request', start.event.id);
    await stage.isOnRecord(errand, 'tool_call', 'acme/shop#412/find-the-version');
  },
});
