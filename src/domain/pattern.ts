// Owns the patterns of profiles for paths and claims. Invariant: a pattern fits the whole text or not at all; `*` stops
// at `/`, `**` does not, and every other character stands for itself.

export const fitsAny = (value: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => expression(pattern).test(value));

const expression = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern.replace(/\*\*|\*|[\\^$.|?+()[\]{}/-]/g, (part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : `\\${part}`,
    )}$`,
    's',
  );
