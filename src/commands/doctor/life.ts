// Owns doctor's look at a running agent and its journal. Invariant: no lock is taken and nothing written: an agent that
// runs, or starts at this very moment, does not notice.

import { join } from 'node:path';
import { inspectJournal } from '../../adapters/journal/inspect.ts';
import { entriesOf } from '../../adapters/system/look.ts';
import { connect } from '../../cli/client.ts';
import { AgentUnreachable } from '../../cli/failure.ts';
import { fieldsOf, listOf, textOf } from '../../cli/show.ts';
import { error, type Finding, info, ok, warning } from './finding.ts';
import type { Subject } from './subject.ts';

const TIMEOUT_MS = 5000;

export async function life(subject: Subject): Promise<Finding[]> {
  const { pid, uid, file, settings } = subject;
  const answer = await reach(settings.config.socket.path);
  const runs = pid !== null || answer !== null;
  const running = runs
    ? ok(
        'agent.running',
        pid === null ? 'an agent runs, in another pid namespace' : `the agent runs (pid ${pid}, uid ${uid})`,
      )
    : info(
        'agent.running',
        'no agent runs on these directories',
        'everything else here is what its start would find',
        `tasklease agent --config ${file}`,
      );
  return [
    running,
    ...(runs ? [reachable(answer, settings.config.socket.path)] : []),
    ...journal(settings.config.state_dir, runs),
  ];
}

type Answer = { readonly status: number; readonly body: unknown } | { readonly failed: string } | null;

/** Null where nobody listens. */
async function reach(socket: string): Promise<Answer> {
  try {
    return await connect(socket).request('GET', '/v1/health?ready', { timeoutMs: TIMEOUT_MS });
  } catch (failure) {
    if (!(failure instanceof AgentUnreachable)) throw failure;
    return ['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(failure.code) ? null : { failed: failure.code };
  }
}

function reachable(answer: Answer, socket: string): Finding {
  const id = 'agent.reachable';
  if (answer === null)
    return error(
      id,
      `nobody listens on ${socket}`,
      'the agent holds its directories but has no socket: it is starting, or hangs',
      "look at the agent's log",
    );
  if ('failed' in answer)
    return info(
      id,
      `${socket} could not be asked (${answer.failed})`,
      'this user may not use the socket, or the agent is busy',
      'run doctor as a member of socket.group, or as root',
    );
  if (answer.status === 200) return ok(id, `it answers on ${socket}, and is ready`);
  const reasons = listOf(fieldsOf(answer.body).reasons).map((reason) => fieldsOf(reason));
  const why = reasons.map(({ code, detail }) => `${textOf(code)}: ${textOf(detail)}`).join('; ');
  const hint = reasons.map((reason) => textOf(reason.hint)).find((text) => text !== '');
  return error(
    id,
    `it answers on ${socket}, and is not ready`,
    why || `status ${answer.status}`,
    hint ?? "look at the agent's log",
  );
}

function journal(stateDir: string, open: boolean): Finding[] {
  const id = 'journal';
  const path = join(stateDir, 'journal.db');
  const entries = entriesOf(stateDir);
  if (entries === null) {
    // Not there yet is told by the directories.
    return [
      info(
        id,
        `${path} was not looked at`,
        'there is no such directory yet, or this user may not read it',
        'once the agent has run: run doctor as its user, or as root',
      ),
    ];
  }
  const look = inspectJournal(path, open);
  if (!look.there) return [ok(id, 'there is no journal yet; the agent makes it at its first start')];
  if (look.fault !== null) {
    return [
      error(
        id,
        `the journal ${path} cannot be relied on: ${look.fault}`,
        'no task is started until it is repaired',
        `stop the agent, then put back a copy, or move ${path}* away: then every task id that was used may be used again`,
      ),
    ];
  }
  if (look.state === null)
    return [
      warning(
        id,
        `the journal is ${Math.round(look.bytes / 1024 / 1024)} MiB`,
        'it is too large for a look beside the agent',
        'start the agent: it checks and compacts it',
      ),
    ];
  const { openGrants } = look.state;
  const left = !open && openGrants > 0;
  const grants = `${openGrants} ${openGrants === 1 ? 'task is' : 'tasks are'} open`;
  return left
    ? [
        warning(
          id,
          `the journal is whole; ${grants}, and no agent runs`,
          'nobody revokes what they lease until the leash does',
          'start the agent: it takes them over or ends them',
        ),
      ]
    : [ok(id, `the journal is whole; ${grants}`)];
}
