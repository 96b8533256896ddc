// Owns the agreement of the client's types with the agent's own: the client imports nothing of the agent, so they are
// written twice. tsc holds what is below (npm run check); the built file is looked at here.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProblemCode, Receipt, StartOptions, TaskEvent, TaskStatus } from '../../src/client/index.ts';
import type * as agent from '../../src/domain/fact.ts';
import type { ProblemCode as AgentCode } from '../../src/domain/problem.ts';
import type { PublicFact } from '../../src/engine/fact-stream.ts';
import type { TaskView } from '../../src/engine/view.ts';
import type { StartBody } from '../../src/schema/signal.ts';
import { ROOT } from './sources.ts';

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

test('codes, receipts, tasks, facts and starts are the agent’s', () => {
  const same: readonly true[] = [
    true satisfies Same<ProblemCode, AgentCode>,
    true satisfies Same<keyof Receipt, keyof agent.Receipt>,
    true satisfies Same<Receipt['leases'][number], agent.ReceiptLease>,
    true satisfies Same<Receipt['outcome'], agent.Outcome>,
    true satisfies Same<keyof TaskStatus, keyof TaskView>,
    true satisfies Same<TaskStatus['leases'], TaskView['leases']>,
    // Beside the body: the id is in the path, the trace in headers, the signal is the caller's own.
    true satisfies Same<
      Exclude<keyof StartOptions, 'task' | 'signal' | 'traceparent' | 'tracestate'>,
      keyof StartBody
    >,
  ];
  const assignable: readonly [(view: TaskView) => TaskStatus, (fact: PublicFact) => Omit<TaskEvent, 'seq'>] =
    [(view) => view, (fact) => fact];
  expect([same, assignable]).toBeDefined();
});

test('what is built has no dependencies, and its types no imports', () => {
  const code = readFileSync(join(ROOT, 'dist/client.js'), 'utf8');
  const imported = [...code.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)"/gm)].map(
    ([, name]) => name!,
  );
  expect(imported.length).toBeGreaterThan(0);
  expect(imported.filter((name) => !name.startsWith('node:'))).toEqual([]);
  const types = readFileSync(join(ROOT, 'dist/client.d.ts'), 'utf8');
  expect(types).toContain('export declare function connect(');
  expect(types).not.toMatch(/\b(?:import|require)\b|\bfrom "/);
});
