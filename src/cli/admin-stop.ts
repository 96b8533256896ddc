// Owns what revoke-all and drain share: one POST on the admin socket that stops every task, and the wait
// for the proofs.

import { adminSocketPath, clientOptions, parse, readDuration, readOutput } from './args.ts';
import { show, stopExit, withSlack } from './call.ts';
import { connect } from './client.ts';
import { stoppedTasks } from './stop.ts';
import * as voice from './voice.ts';

/** @param name the command's name, which is also the last segment of its call. */
export async function stopAll(name: 'revoke-all' | 'drain', args: string[]): Promise<number> {
  const { values } = parse(name, args, { ...clientOptions, wait: { type: 'string' } });
  const output = readOutput(name, values.output);
  const wait = readDuration('--wait', values.wait ?? '30s');
  const client = connect(adminSocketPath(values.socket));
  const reply = await client.request('POST', `/v1/${name}?wait=${encodeURIComponent(wait.text)}`, {
    timeoutMs: withSlack(wait.ms),
  });
  show(reply, output, stoppedTasks);
  return stopExit(reply, `${voice.pending(name)}\n${voice.pendingAll}`);
}
