// Owns how a story is told twice: with its files as they are, and with each of its policies replaced by a wildcard.
// Invariant: the same words are told both times, so what a policy is for is what the second telling complains about.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStage, type Probe, type Stage, type StageOptions } from './stage.ts';
import { storyFiles } from './story-files.ts';

export interface Story extends StageOptions {
  /** What the story promises, as the first test's name. */
  readonly promise: string;
  /** The whole story. It fails by itself where something is wrong that no policy decides. */
  readonly tell: (stage: Stage) => Promise<void>;
}

/** The tests of one story. */
export const story = ({ promise, tell, ...options }: Story): void => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(options);
  }, 300_000);
  afterAll(() => stage?.close());

  const told = async (round: string, wildcard?: string): Promise<readonly Probe[]> => {
    await stage.begin(round, wildcard);
    await tell(stage);
    await stage.world.untilNothingLeft();
    return stage.probes();
  };
  const letThrough = (probes: readonly Probe[]) => probes.filter(({ refused }) => !refused);

  test(promise, async () => {
    expect(letThrough(await told('shipped')), 'what is adjacent and was let through').toEqual([]);
  });

  describe('fails when a wildcard stands in the place of', () => {
    test.each(storyFiles(options.name).kinds.map(({ policy }) => policy))('%s', async (policy) => {
      const probes = await told(policy.replace('tasklease-', ''), policy);
      const its = probes.filter(({ policies }) => policies.includes(policy));
      expect(its).not.toEqual([]);
      // Each refusal was this policy's doing, and nothing else's.
      expect(letThrough(probes)).toEqual(its);
    });
  });
};
