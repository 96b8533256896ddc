// Owns how a story is told twice: with its files as they are, and with each of its policies replaced by a wildcard.
// Invariant: the same words are told both times, so what a policy is for is what the second telling complains about.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStage, type Stage, type StageOptions } from './stage.ts';
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

  const told = async (round: string, wildcard?: string): Promise<string[]> => {
    await stage.begin(round, wildcard);
    await tell(stage);
    await stage.world.untilNothingLeft();
    return stage.letThrough();
  };

  test(promise, async () => {
    expect(await told('a'), 'what is adjacent and was let through').toEqual([]);
  });

  describe('fails when a wildcard stands in the place of', () => {
    test.each(storyFiles(options.name).kinds.map(({ policy }) => policy))('%s', async (policy) => {
      expect(await told(policy.replace('tasklease-', ''), policy)).not.toEqual([]);
    });
  });
};
