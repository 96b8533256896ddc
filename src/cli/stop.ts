// Owns `tasklease stop`: stop one task, or all of a business event, and wait for the proof.

import { clientOptions, parse, readDuration, readEvent, readOutput, readTaskId, socketPath } from './args.ts';
import { show, stopExit, withSlack } from './call.ts';
import { connect, taskPath } from './client.ts';
import type { Command } from './command.ts';
import { UsageError } from './failure.ts';
import { stopUsage } from './help.ts';
import { say } from './output.ts';
import { fieldsOf, listOf, receipt, task as taskTable, unprovedLeases } from './show.ts';
import * as voice from './voice.ts';

export const command: Command = {
  usage: stopUsage,
  async run(args) {
    const { values, words } = parse(
      'stop',
      args,
      { ...clientOptions, event: { type: 'string' }, wait: { type: 'string' } },
      ['TASK'],
    );
    const output = readOutput('stop', values.output);
    const wait = readDuration('--wait', values.wait ?? '30s');
    const target = readTarget(words[0], values.event);
    const reply = await connect(socketPath(values.socket)).request(
      'DELETE',
      `${target.path}wait=${encodeURIComponent(wait.text)}`,
      {
        timeoutMs: withSlack(wait.ms),
      },
    );
    show(reply, output, target.task === undefined ? stoppedTasks : stoppedTask);
    warnUnproved(reply.body);
    const next = target.task === undefined ? voice.pendingAll : voice.pendingNext(target.task);
    return stopExit(reply, `${voice.pending(target.name)}\n${next}`);
  },
};

function readTarget(task: string | undefined, event: string | undefined) {
  if (task !== undefined && event === undefined) {
    const id = readTaskId('stop', task);
    return { task: id, name: id, path: taskPath(id, '?') };
  }
  if (event !== undefined && task === undefined) {
    const { type, id } = readEvent(event);
    return { task: undefined, name: event, path: `/v1/tasks?event=${encodeURIComponent(`${type}:${id}`)}&` };
  }
  throw new UsageError(
    task === undefined ? 'stop needs a task or an event' : 'stop takes a task or an event, not both',
    'tasklease stop TASK, or tasklease stop --event TYPE:ID',
  );
}

/** A receipt, or the task as it stands while it is still stopping. */
export const stoppedTask = (body: unknown): string =>
  fieldsOf(body).state === 'closed' ? receipt(body) : taskTable(body);

/** The answer to a stop of many tasks. */
export function stoppedTasks(body: unknown): string {
  const tasks = listOf(fieldsOf(body).tasks);
  return tasks.length === 0 ? voice.nothingToStop : tasks.map(stoppedTask).join('\n');
}

/** Says on stderr which tasks of an answer have leases that could not be proved revoked. */
export function warnUnproved(body: unknown): void {
  const { tasks } = fieldsOf(body);
  for (const item of Array.isArray(tasks) ? tasks : [body]) {
    const count = unprovedLeases(item);
    if (count > 0) say(voice.unproved(String(fieldsOf(item).task ?? ''), count));
  }
}
