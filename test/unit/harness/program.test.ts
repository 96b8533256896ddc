// Owns the promise that a missing server is named with what brings it.
import { expect, test } from 'vitest';
import { program } from '../../harness/servers/program.ts';

test('a server that is not installed is named in one sentence, with the Debian package that brings it', () => {
  expect(() => program('no-such-daemon', 'no-such-package')).toThrow(
    'the program "no-such-daemon" is missing: install Debian\'s package with "apt-get install no-such-package"',
  );
  expect(program('sh', 'dash')).toMatch(/^\/.*\/sh$/);
});
