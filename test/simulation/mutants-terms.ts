// Owns the mutants about secrets that hang under no lease, and about what a task is given.

import type { Mutant } from './mutants.ts';

export const TERMS_MUTANTS: readonly Mutant[] = [
  {
    name: 'forget-the-serial',
    file: 'src/engine/secret-reader.ts',
    find: 'id: issued.leaseId,',
    replace: "id: issued.leaseId?.includes('#') === true ? null : issued.leaseId,",
    seed: 1,
  },
  {
    name: 'a-certificate-goes-with-its-token',
    file: 'src/engine/revoker.ts',
    find: 'const { n, ids, accessor } = effect;',
    replace: "const { n, accessor } = effect; const ids = effect.ids.filter((id) => !id.includes('#'));",
    seed: 1,
  },
  {
    name: 'the-answer-to-a-revocation-is-proof-enough',
    file: 'src/engine/revoker.ts',
    find: "return (await this.#ports.vault.lookupCertificate(certificate)) === 'valid';",
    replace: 'return false;',
    seed: 1,
  },
  {
    name: 'a-forgotten-certificate-ended-with-its-token',
    file: 'src/domain/retire.ts',
    find: 'const hangs = certificateOf(id) === null;',
    replace: 'const hangs = true;',
    seed: 370,
  },
  {
    name: 'do-not-follow-a-rotation',
    file: 'src/domain/lease.ts',
    find: 'if (lease.follows) return lease.endsAt + FOLLOW_AFTER_MS;',
    replace: 'if (lease.follows) return null;',
    seed: 7,
  },
  {
    name: 'take-what-is-not-rotated-yet',
    file: 'src/engine/secret-reader.ts',
    find: 'const fresh = current(grant) !== null;',
    replace: 'const fresh = false;',
    seed: 825,
  },
  {
    name: 'mix-generations',
    file: 'src/engine/secret-reader.ts',
    find: 'luggage.deliveries = problem === null ? deliveries : [];',
    replace: `const [first, ...others] = deliveries;
    if (first !== undefined) luggage.first ??= first;
    luggage.deliveries = problem === null ? [luggage.first ?? first, ...others] : [];`,
    seed: 7,
  },
  {
    name: 'what-is-required-is-not-asked',
    file: 'src/engine/secret-reader.ts',
    find: "if (ask.require === 'revocable' && !lease.revocable) {",
    replace: "if (ask.require === 'revocable' && lease.secret === '') {",
    seed: 15,
  },
  {
    name: 'a-lease-that-ends-nothing-is-revoked',
    file: 'src/engine/secret-reader.ts',
    find: "revocable: issued.leaseId !== null && ask.revoke !== 'none',",
    replace: 'revocable: issued.leaseId !== null,',
    seed: 7,
  },
];
