// Owns the mutants: mistakes that the judges must catch, each one sentence of the engine changed as it is loaded.

import { DOMAIN_MUTANTS } from './mutants-domain.ts';
import { TERMS_MUTANTS } from './mutants-terms.ts';

export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** A seed that is known to catch it. */
  readonly seed: number;
}

const ENGINE_MUTANTS: readonly Mutant[] = [
  {
    name: 'use-before-journal',
    file: 'src/engine/grant-actor.ts',
    find: 'const problem = await this.#record(entries);',
    replace: 'const problem = null; void this.#record(entries);',
    seed: 1,
  },
  {
    name: 'drop-backlog',
    file: 'src/engine/grant-actor.ts',
    find: 'this.#backlog = [...this.#backlog, ...entries];',
    replace: 'this.#backlog = [];',
    seed: 13,
  },
  {
    name: 'wall-clock-for-deadlines',
    file: 'src/engine/grant-actor.ts',
    find: 'const now = this.#deps.ports.clock.now();',
    replace: `const read = this.#deps.ports.clock.now();
    this.offset ??= read.wallMs - read.at;
    const now = { at: read.wallMs - this.offset, wallMs: read.wallMs };`,
    seed: 48,
  },
  {
    name: 'async-revoke',
    file: 'src/engine/revoker.ts',
    find: 'const there = throwSlowest(revoked);\n      await vault.revokeToken(session, accessor);',
    replace:
      "await vault.revokeToken(session, accessor);\n      const there: boolean[] = [];\n      if (revoked.length >= 0) return { type: 'revoked', n };",
    seed: 202,
  },
  {
    name: 'no-tombstone',
    file: 'src/engine/admission.ts',
    find: 'null : ports.journal.tombstone(task);',
    replace: 'null : null;',
    seed: 49,
  },
  {
    name: 'double-start-grants-twice',
    file: 'src/engine/admission.ts',
    find: 'const living = book.get(task);',
    replace: "const living = book.get(task)?.grant.state === 'active' ? book.get(task) : undefined;",
    seed: 18,
  },
  {
    name: 'forget-the-assertion',
    file: 'src/engine/attestation.ts',
    find: 'this.#mustBeUnused(asserted, task, digest);\n    const { login } = profile;',
    replace: 'const { login } = profile;',
    seed: 2,
  },
  {
    name: 'remember-the-assertion-in-memory-only',
    file: 'src/engine/attestation.ts',
    find: 'this.#presented.get(use) ?? journal.assertionUse(use)',
    replace: 'this.#presented.get(use) ?? null',
    seed: 2,
  },
  {
    name: 'start-while-draining',
    file: 'src/engine/admission.ts',
    find: 'if (this.draining) throw drainingProblem();',
    replace: '',
    seed: 51,
  },
  {
    name: 'approve-what-one-asked-for',
    file: 'src/domain/approval.ts',
    find: 'if (uid === owner.uid) {',
    replace: 'if (uid === -1) {',
    seed: 11,
  },
  {
    name: 'approval-for-what-it-was-before',
    file: 'src/engine/reload.ts',
    find: "actor.send({ type: 'approvalVoided', problem });",
    replace: 'void problem;',
    seed: 318,
  },
  {
    name: 'trust-the-increment',
    file: 'src/engine/effect-runner.ts',
    find: 'return { id, incrementSeconds: seconds, ttlMs, endsAt: asked + ttlMs, renewable };',
    replace:
      'return { id, incrementSeconds: seconds, ttlMs: seconds * 1000, endsAt: asked + seconds * 1000, renewable };',
    seed: 2,
  },
  {
    name: 'token-outlives-the-wait-for-the-session',
    file: 'src/engine/token-opener.ts',
    find: `const session = await this.#session.sessionForStart();
      // Only now: while the agent logs in, time passes, and the token must not outlive the deadline by it.
      const asked = this.#ports.clock.now().at;`,
    replace: `const asked = this.#ports.clock.now().at;
      const session = await this.#session.sessionForStart();`,
    seed: 80,
  },
  {
    name: 'files-before-all-secrets-are-there',
    file: 'src/engine/effect-runner.ts',
    find: 'deliveries,\n      });\n      telemetry.phase',
    replace: 'deliveries: deliveries.slice(0, 1),\n      });\n      telemetry.phase',
    seed: 1,
  },
  {
    name: 'adopt-without-checking-the-process',
    file: 'src/engine/bindings.ts',
    find: "this.#liveness.watch(bind, null, gone, bound ?? '')",
    replace: 'this.#liveness.watch(bind, null, gone)',
    seed: 2984,
  },
  {
    name: 'renew-after-stop',
    file: 'src/engine/effect-runner.ts',
    find: 'if (!works(now()) || leftMs <= 0) return null;',
    replace: '',
    seed: 597,
  },
  {
    name: 'adopt-what-the-profile-refuses',
    file: 'src/domain/refit.ts',
    find: 'authorise(profile, caller, evidence);',
    replace: '',
    seed: 32,
  },
  {
    name: 'child-outlives-the-parent',
    file: 'src/engine/grant-book.ts',
    find: "if (entries.some(({ fact }) => fact.type === 'grant.stopping')) this.#stopChildren(grant);",
    replace: '',
    seed: 85,
  },
  {
    name: 'reload-does-not-stop',
    file: 'src/engine/reload.ts',
    find: "actor.send({ type: 'stopRequested', reason: 'revoked', detail });",
    replace: 'void detail;',
    seed: 221,
  },
  {
    name: 'reload-does-not-rotate',
    file: 'src/engine/reload.ts',
    find: "actor.send({ type: 'planChanged', plan, latestDeadline, version });",
    replace: 'void [plan, latestDeadline];',
    seed: 98,
  },
];

export const MUTANTS: readonly Mutant[] = [...ENGINE_MUTANTS, ...DOMAIN_MUTANTS, ...TERMS_MUTANTS];

/** A change of the engine may shift what a seed does; one of so many neighbours then does it. */
export const NEAR = 60;

/** The file's text with the mutation. @throws Error unless `find` occurs exactly once */
export function mutated({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`mutant ${name}: its text occurs ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}
