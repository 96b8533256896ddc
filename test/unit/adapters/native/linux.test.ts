// Owns the promise that a signal that arrives during a call into the C library fails nothing.

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { pidfdEnded, pidfdOpen } from '../../../../src/adapters/native/linux.ts';

// poll(2) answers EINTR for a signal that is on its way, even where it would not have waited.
test('a living process is never taken for anything else while signals pour in', async () => {
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  process.on('SIGWINCH', hear);
  const storm = spawn('/bin/sh', ['-c', `while kill -WINCH ${process.pid}; do :; done 2>/dev/null`]);
  const pidfd = pidfdOpen(process.pid);
  try {
    while (heard < 200) {
      for (let n = 0; n < 2000; n += 1) expect(pidfdEnded(pidfd)).toBe(false);
      await setImmediate();
    }
  } finally {
    storm.kill('SIGKILL');
    closeSync(pidfd);
    process.off('SIGWINCH', hear);
  }
});
