// Owns the loading of one mutant: the engine with one sentence changed. Invariant: what is to be changed occurs
// exactly once in its file, or the process ends; nothing on disk is touched.

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MUTANTS, mutated } from './mutants.ts';

const name = process.env.TASKLEASE_MUTANT;
const mutant = MUTANTS.find((candidate) => candidate.name === name);
if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
const changed = new URL(`../../${mutant.file}`, import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    if (url !== changed) return nextLoad(url, context);
    const source = mutated(mutant, readFileSync(fileURLToPath(url), 'utf8'));
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
