// Owns who makes the Vault binary when several ask at once: one builds, the others wait and use its
// result. The lock is a file that its holder touches every five seconds; one that nobody touched for
// a minute, or whose process is gone, is stale. Should two ever hold it, no harm is done: each writes
// a file of its own and renames it into place.
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

const BEAT_MS = 5_000;
const STALE_MS = 60_000;

const holderIsGone = (path: string): boolean => {
  try {
    if (Date.now() - statSync(path).mtimeMs > STALE_MS) return true;
    const [host, pid] = readFileSync(path, 'utf8').trim().split(' ');
    if (host !== hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // EPERM: it lives, under another user. ENOENT: the lock was just released; ESRCH: its holder died.
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ESRCH' || code === 'ENOENT';
  }
};

const take = (path: string): boolean => {
  try {
    writeFileSync(path, `${hostname()} ${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
};

/**
 * Runs `work` while holding the lock at `path`, or waits for whoever holds it until `isDone` and runs
 * nothing. `onWait` is called once when there is somebody to wait for.
 */
export const underLock = async (
  path: string,
  isDone: () => boolean,
  work: () => Promise<void>,
  onWait: () => void,
): Promise<void> => {
  let waited = false;
  for (;;) {
    if (isDone()) return;
    if (take(path)) break;
    if (holderIsGone(path)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const release = (): void => rmSync(path, { force: true });
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // Somebody removed the lock; the build goes on, see the head of this file.
    }
  }, BEAT_MS);
  process.once('exit', release);
  try {
    if (!isDone()) await work();
  } finally {
    clearInterval(beat);
    process.off('exit', release);
    release();
  }
};
