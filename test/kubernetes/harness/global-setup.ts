// Owns what is made once for the Kubernetes tests: the node's programs and the images, before the first test, with
// progress on the screen.

import { progressTo, withProgress } from '../../../src/dev/progress.ts';
import { packImages } from './node.ts';
import { nodePrograms } from './programs.ts';

export async function setup(): Promise<void> {
  await nodePrograms();
  // Every test file finds it without asking Podman again.
  process.env.TASKLEASE_NODE_IMAGES = await withProgress(
    progressTo(),
    'making the images with Podman',
    packImages,
  );
}
