// Owns the one source of spread in the domain: numbers drawn from ids, so that decisions stay pure.

/** A number in [0, 1) that depends on `seed` alone (FNV-1a, 32 bit). Not for security. */
export function unitHash(seed: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < seed.length; i += 1) {
    hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
  }
  // A last scramble (murmur3's finaliser): FNV alone leaves neighbours close together.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}
