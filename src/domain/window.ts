// Owns the hours in which tasks of a profile may live (`allow.when`). Invariant: a task starts inside its window and
// ends by the end of it, whoever starts it.

import type { Instant, Moment } from './instant.ts';
import { Problem } from './problem.ts';
import type { Profile } from './profile.ts';

/** A part of each day, in milliseconds from 00:00 UTC; `toMs` lies on the next day where it is not after `fromMs`. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00) UTC$/;

/** A window such as `01:00-04:00 UTC`; null when the text is none, or is no time at all. */
export function parseWindow(text: string): Window | null {
  const found = WINDOW.exec(text);
  if (found === null) return null;
  const [hours, minutes, toHours, toMinutes] = found.slice(1).map((part) => Number(part ?? 0));
  const fromMs = (hours! * 60 + minutes!) * MINUTE_MS;
  const toMs = found[3] === undefined ? DAY_MS : (toHours! * 60 + toMinutes!) * MINUTE_MS;
  return fromMs === toMs ? null : { fromMs, toMs };
}

/**
 * Until when a task of this profile may live that lives now.
 * @throws Problem PROFILE_DENIED outside the window; retryable when it opens
 */
export function openUntil(profile: Profile, now: Moment): Instant {
  const { window } = profile.allow;
  if (window === undefined) return Number.MAX_SAFE_INTEGER;
  const time = now.wallMs % DAY_MS;
  const lengthMs = (window.toMs - window.fromMs + DAY_MS) % DAY_MS || DAY_MS;
  const sinceMs = (time - window.fromMs + DAY_MS) % DAY_MS;
  if (sinceMs < lengthMs) return now.at + lengthMs - sinceMs;
  const opens = new Date(now.wallMs + DAY_MS - sinceMs).toISOString();
  throw new Problem('PROFILE_DENIED', `profile ${profile.name} may not be started at this time`, {
    hint: `its window opens at ${opens}`,
    retryable: true,
    retryAfterMs: DAY_MS - sinceMs,
  });
}
