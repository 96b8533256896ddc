// Owns the conditions on a caller's process: what fits a pattern, and that what could not be seen fits none.

import { describe, expect, test } from 'vitest';
import { containerOf, type Evidence, type Where } from '../../../src/domain/evidence.ts';
import { authorise } from '../../../src/domain/task-spec.ts';
import { caller, profile } from './samples.ts';

const SEEN: Evidence = {
  pid: 4242,
  exe: '/usr/bin/node',
  cgroup: '/system.slice/ci-7.service',
  container: null,
};
const start = (where: Where, evidence: Evidence | null, who = caller()) =>
  authorise(profile({ allow: { uids: [1000], gids: [], where } }), who, evidence);

describe('a condition', () => {
  test.each<[string, Where, Partial<Evidence>, boolean]>([
    ['the very path', { exe: ['/usr/bin/node'] }, {}, true],
    ['one of several', { exe: ['/bin/x', '/usr/bin/node'] }, {}, true],
    ['another path', { exe: ['/usr/bin/nod'] }, {}, false],
    ['a longer path', { exe: ['/usr/bin/node'] }, { exe: '/usr/bin/node2' }, false],
    ['a path around it', { exe: ['/usr/bin/node'] }, { exe: '/x/usr/bin/node' }, false],
    ['after a line break', { exe: ['/usr/bin/node'] }, { exe: '/x\n/usr/bin/node' }, false],
    ['before a line break', { exe: ['/usr/bin/node'] }, { exe: '/usr/bin/node\n' }, false],
    ['a dot is a dot', { exe: ['/usr/bin/node.js'] }, { exe: '/usr/bin/nodexjs' }, false],
    ['a star', { cgroup: ['/system.slice/ci-*'] }, {}, true],
    [
      'a star stops at a slash',
      { cgroup: ['/system.slice/ci-*'] },
      { cgroup: '/system.slice/ci-7/x' },
      false,
    ],
    ['two stars do not', { cgroup: ['/system.slice/**'] }, { cgroup: '/system.slice/ci-7/x' }, true],
    ['both must fit', { exe: ['/usr/bin/node'], cgroup: ['/user.slice/**'] }, {}, false],
    ['both fit', { exe: ['/usr/bin/node'], cgroup: ['/system.slice/**'] }, {}, true],
    ['what could not be seen', { exe: ['/**'] }, { exe: null }, false],
    ['no cgroup', { cgroup: ['/**'] }, { cgroup: null }, false],
  ])('%s', (_name, where, seen, allowed) => {
    const attempt = () => start(where, { ...SEEN, ...seen });
    if (allowed) expect(attempt).not.toThrow();
    else
      expect(attempt).toThrow(expect.objectContaining({ code: 'PROFILE_DENIED', hint: expect.any(String) }));
  });

  test('holds for nobody of whom nothing was seen', () => {
    expect(() => start({ exe: ['/**'] }, null)).toThrow(/exe could not be seen/);
  });

  test('is refused across pid namespaces, whatever was seen', () => {
    expect(() => start({ exe: ['/usr/bin/node'] }, SEEN, caller({ pid: 0 }))).toThrow(/pid namespaces/);
  });

  test('does not let in who is not listed, and does not hold for the admin socket', () => {
    expect(() => start({ exe: ['/usr/bin/node'] }, SEEN, caller({ uid: 1, gid: 1 }))).toThrow(
      /uid 1 may not/,
    );
    expect(() => start({ exe: ['/x'] }, null, caller({ admin: true }))).not.toThrow();
  });
});

test.each<[string, string, string | null]>([
  ['docker', `/system.slice/docker-${'a1'.repeat(32)}.scope`, 'a1'.repeat(32)],
  ['docker without systemd', `/docker/${'b2'.repeat(32)}`, 'b2'.repeat(32)],
  [
    'kubernetes',
    `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${'c3'.repeat(32)}.scope`,
    'c3'.repeat(32),
  ],
  ['the innermost', `/docker/${'a1'.repeat(32)}/docker/${'b2'.repeat(32)}`, 'b2'.repeat(32)],
  ['no container', '/system.slice/ci-7.service', null],
  ['a longer number', `/x/${'a1'.repeat(33)}`, null],
])('the container of a cgroup: %s', (_name, cgroup, id) => expect(containerOf(cgroup)).toBe(id));
