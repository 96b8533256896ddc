// What `npm run bench` concludes from its figures, and the instruments that it counts with.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { openCountingProxy } from '../../bench/counting-proxy.ts';
import { markdown } from '../../bench/markdown.ts';
import { ownMs, treeMs } from '../../bench/processor.ts';
import { type Report, rowOf, text, verdicts } from '../../bench/report.ts';

type Figures = { start: number; stop: number; ms: number; ownCpu: number };

const row = (name: string, { start, stop, ms, ownCpu }: Figures) => {
  const block = { tasks: 10, ms, ownCpu: ownCpu * 10, vaultCpu: 80 };
  const wire = { sent: 2000, received: 3000, connections: 0 };
  return rowOf(
    { name, atStop: 'proved' },
    { start: [start], stop: [stop] },
    { 1: block, 8: block, 32: block },
    wire,
  );
};

const report = (agent: Figures, firstAnswerMs = 300, rssMb = 85): Report => ({
  machine: { cores: 2 },
  engines: [
    {
      engine: 'engine',
      rows: [row('floor', { start: 5, stop: 20, ms: 930, ownCpu: 1 }), row('agent', agent)],
    },
  ],
  beginnings: [{ name: 'agent', answer: 'answers', firstAnswerMs, rssMb, anonymousMb: 30 }],
  memoryAfterMb: { rss: 90, anonymous: 40 },
  missing: ['no row for consul-template: there is no Go'],
  seconds: 1,
});

const missed = (seen: Report): string[] => verdicts(seen).flatMap(({ goal, met }) => (met ? [] : [goal]));

test('goals are met up to their limits', () => {
  expect(missed(report({ start: 7, stop: 22, ms: 999, ownCpu: 3 }))).toEqual([]);
});

test('each goal is missed by its own figure', () => {
  const met = { start: 7, stop: 22, ms: 999, ownCpu: 3 };
  const goals = (change: Partial<Figures>) => missed(report({ ...met, ...change })).join('\n');
  expect(goals({ start: 7.1 })).toMatch(/^engine: start p50[^\n]*$/);
  expect(goals({ stop: 22.1 })).toMatch(/^engine: stop p50[^\n]*$/);
  expect(goals({ ms: 1010 })).toMatch(/^engine: with 8 at once[^\n]*\nengine: with 32 at once[^\n]*$/);
  expect(goals({ ownCpu: 3.1 })).toMatch(/^engine: own processor time[^\n]*$/);
  expect(missed(report(met, 301))).toEqual(['first answer at most 300 ms after exec']);
  expect(missed(report(met, 300, 85.1))).toEqual(['idle RSS at most 85 MB']);
});

test('the table says what each left undone, which rows could not be had and why, and MISSED where a goal was', () => {
  const shown = text(report({ start: 7, stop: 22, ms: 999, ownCpu: 9 }));
  expect(shown).toMatch(/^agent .* proved$/m);
  expect(shown).toContain('no row for consul-template: there is no Go');
  expect(shown).toMatch(/own processor time .* 9\.00 ms +MISSED$/m);
});

test('what the README shows comes from the same figures, and names every goal that was missed', () => {
  const shown = markdown(report({ start: 7, stop: 22, ms: 999, ownCpu: 9 }));
  expect(shown).toContain(
    '| agent | 7.0 · 7.0 | 22.0 · 22.0 | 10 · 10 · 10 | 9.0 · 9.0 · 9.0 | 8 · 8 · 8 | 5.0 | proved |',
  );
  expect(shown).toContain('Goals met: 6 of 7.');
  expect(shown).toMatch(/^- missed: engine: own processor time .*: 9\.00 ms$/m);
});

test('the proxy counts every byte of both directions, and connections', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.end('answer!')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await openCountingProxy((server.address() as AddressInfo).port);
  try {
    for (let n = 1; n <= 2; n += 1) {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.write('ask');
      const [heard] = await once(socket, 'data');
      expect(String(heard)).toBe('answer!');
      await once(socket, 'close');
      expect(proxy.count()).toEqual({ sent: 3 * n, received: 7 * n, connections: n });
    }
  } finally {
    proxy.close();
    server.close();
  }
});

test('processor time of a process is what it says of itself, to the ticks of the kernel', () => {
  const endAt = ownMs() + 60;
  while (ownMs() < endAt);
  const before = ownMs();
  const seen = treeMs(process.pid);
  // Children that it had count too; what it did itself is never less.
  expect(seen).toBeGreaterThanOrEqual(before - 30);
});
