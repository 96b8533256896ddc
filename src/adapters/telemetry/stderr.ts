// Owns the way of log lines to standard error. Invariant: it never waits: a pipe that nobody reads must
// not stop revocations, so lines that find it full are dropped and counted.

import { constants, fstatSync, openSync, writeSync } from 'node:fs';

export interface LineSink {
  write(line: string): void;
}

export function openStderr(): LineSink {
  const fd = nonBlocking();
  let dropped = 0;
  return {
    write(line) {
      try {
        if (dropped > 0) {
          const note = {
            level: 40,
            time: new Date().toISOString(),
            name: 'tasklease',
            dropped,
            msg: 'lines dropped',
          };
          writeSync(fd, `${JSON.stringify(note)}\n`);
          dropped = 0;
        }
        writeSync(fd, line);
      } catch {
        // EAGAIN: full; EPIPE: the reader is gone. There is nowhere to tell it.
        dropped += 1;
      }
    },
  };
}

/**
 * A pipe is opened anew without blocking: the mode belongs to the open file description, which we share
 * with whoever gave it to us (open(2), proc_pid_fd(5)). Files, terminals and sockets stay as they are.
 * (Node itself makes a socket on descriptor 2 non-blocking when process.stderr is touched, as pino does.)
 */
function nonBlocking(): number {
  try {
    if (fstatSync(2).isFIFO()) return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // Not ours to open again: write to it as it is.
  }
  return 2;
}
