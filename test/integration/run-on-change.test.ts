// `tasklease run --restart-on-change` with a real agent and rotations: CMD is started again for new files and for nothing
// else, its task stays the same, and whoever is killed in between leaves nothing.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { keyValue } from '../harness/sample-profiles.ts';
import { receiptOf } from '../harness/tasks.ts';
import { until } from '../harness/until.ts';
import { createWorld, type World } from '../harness/world.ts';

let world: World;
let rounds = 0;
/** Another overlap is another plan, which is raised at once, with whatever Vault holds by then. */
const profileOf = (round: number) => ({ ...keyValue, overlap: `${1 + round}s` });
beforeAll(async () => {
  world = await createWorld({ config: { on_exit: 'keep' }, profiles: { steady: profileOf(0) } });
});
beforeEach(async () => {
  if (!world.agent.running) await world.agent.start();
});
afterAll(() => world?.close());

const runArgs = (task: string, ...cmd: string[]) => [
  ...['run', '--profile', 'steady', '--param', 'env=prod', '--task', task, '--restart-on-change', '--'],
  ...cmd,
];
/** Says what its file holds when it starts, then lives until SIGTERM. */
const READER =
  'trap "exit 0" TERM; printf "up %s " $$; tr -d "\\n" <"$TASKLEASE_DIR/app.json"; echo; while :; do sleep 0.05; done';
/** Whole lines alone. */
const ups = (text: string): string[] =>
  text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('up'));

const setColour = async (colour: string) => {
  await world.vault.request('POST', 'secret/data/app/prod', { data: { colour } });
};
const taskOf = async (task: string) => (await world.api('GET', `/v1/tasks/${task}`)).body;
const rotate = async (task: string) => {
  const { generation } = await taskOf(task);
  rounds += 1;
  await world.writeProfile('steady', profileOf(rounds));
  const rotated = async () => (await taskOf(task)).generation > generation;
  await until(`${task} has rotated`, rotated, 60_000);
};

test('CMD is started again once a change, not for a rotation without one; its task and process group stay', async () => {
  await setColour('red');
  const run = world.startCli(runArgs('changing', 'sh', '-c', READER));
  await until('CMD runs', () => ups(run.stdout()).length === 1);
  await rotate('changing');
  for (const [n, colour] of ['green', 'blue'].entries()) {
    await setColour(colour);
    await rotate('changing');
    await until('CMD has read it', () => ups(run.stdout())[n + 1]?.includes(colour) === true, 60_000);
  }
  await rotate('changing');
  process.kill(run.pid, 'SIGTERM');
  const { code, stdout, stderr } = await run.ended;
  expect(code).toBe(0);
  expect(ups(stdout)).toHaveLength(3);
  expect(stderr.trim().split('\n')).toHaveLength(2);
  expect((await receiptOf(world, 'changing')).outcome).toBe('completed');
  await world.untilNothingLeft();
}, 240_000);

test('the agent is killed before CMD has ended: CMD is started again, and a change that came meanwhile is one more', async () => {
  const run = world.startCli(
    runArgs('slow', 'sh', '-c', READER.replace('"exit 0"', '"sleep 2; echo ending; exit 0"')),
  );
  await until('CMD runs', () => ups(run.stdout()).length === 1);
  await setColour('amber');
  await rotate('slow');
  await until('CMD is told to end', () => run.stderr().includes('is started again'));
  await world.agent.kill9();
  await until('CMD is started again without an agent', () => ups(run.stdout()).length === 2, 60_000);
  expect(ups(run.stdout())[1]).toContain('amber');
  await world.agent.start();
  expect(await taskOf('slow')).toMatchObject({ state: 'active' });
  await setColour('grey');
  await rotate('slow');
  await until('CMD has read it', () => ups(run.stdout())[2]?.includes('grey') === true, 60_000);
  process.kill(run.pid, 'SIGTERM');
  expect((await run.ended).code).toBe(0);
  await world.untilNothingLeft();
}, 240_000);

test('run is killed in the middle of a restart: nothing is left, and nobody starts CMD again', async () => {
  const run = world.startCli(runArgs('cut-off', 'sh', '-c', READER.replace('"exit 0"', '"sleep 3; exit 0"')));
  await until('CMD runs', () => ups(run.stdout()).length === 1);
  await setColour('white');
  await rotate('cut-off');
  await until('CMD is told to end', () => run.stderr().includes('is started again'));
  process.kill(run.pid, 'SIGKILL');
  await run.ended;
  await until('the task is over', async () => (await taskOf('cut-off')).state === 'closed', 60_000);
  expect((await receiptOf(world, 'cut-off')).outcome).toBe('lost');
  await world.untilNothingLeft();
  expect(ups(run.stdout())).toHaveLength(1);
}, 240_000);
