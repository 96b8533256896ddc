// Owns what a pod's status means for the tests.

import type { Json } from '../../harness/socket-api.ts';

export const ended = ({ status }: Json): boolean => ['Succeeded', 'Failed'].includes(status.phase);

/** The report's container runs: the agent was ready before. */
export const works = ({ status }: Json): boolean => Boolean(status.containerStatuses?.[0]?.state?.running);
