// Owns durations as users write them ("90s", "10m", "1h30m") and as Vault takes them (whole seconds).

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/y;

/** Milliseconds of a duration such as `90s` or `1h30m`; null when the text is not one, or is over 10 years. */
export function parseDuration(text: string): number | null {
  if (text.length > 32) return null;
  PART.lastIndex = 0;
  let total = 0;
  let end = 0;
  for (let part = PART.exec(text); part !== null; part = PART.exec(text)) {
    total += Number(part[1]) * UNIT_MS[part[2] as keyof typeof UNIT_MS];
    end = PART.lastIndex;
  }
  const valid = end > 0 && end === text.length && Number.isFinite(total) && total <= 315_360_000_000;
  return valid ? Math.round(total) : null;
}

/** A duration for people: `1h5m`, `1m30s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}

/** Whole seconds, rounded up: Vault's unit for every TTL and increment. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
