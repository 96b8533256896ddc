// Owns the real clocks: the only file that reads the time or sets a timer for the engine.

import type { Clock } from '../../ports/clock.ts';
import { bootTimeMs } from '../native/linux.ts';

/**
 * setTimeout fires at once beyond 2^31 ms and counts CLOCK_MONOTONIC, which stands still in suspend.
 * So long waits are cut into looks at the boot clock, at most this far apart.
 */
const LOOK_MS = 1000;

/** The two clocks tick apart by a millisecond now and then; only more is a wall clock that was set. */
const SET_MS = 20;

export function systemClock(): Clock {
  let offset = Date.now() - bootTimeMs();
  return {
    now() {
      const at = bootTimeMs();
      const wallMs = Date.now();
      if (Math.abs(wallMs - at - offset) > SET_MS) offset = wallMs - at;
      // A steady offset, so that one instant is always told as the same time.
      return { at, wallMs: at + offset };
    },
    after(delayMs, run) {
      const due = bootTimeMs() + delayMs;
      let timer: NodeJS.Timeout;
      const look = () => {
        const left = due - bootTimeMs();
        if (left <= 0) return run();
        timer = setTimeout(look, Math.min(left, LOOK_MS));
        timer.unref();
      };
      timer = setTimeout(look, Math.max(0, Math.min(delayMs, LOOK_MS)));
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
