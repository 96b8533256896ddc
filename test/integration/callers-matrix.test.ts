// Every call, by six users, about their own, another's and an unknown task, on both sockets: exactly the documented
// answer, and of another's task the very answer of one that does not exist. As root each user is a process of that
// uid; without root there is one user only, and the name of the test says so.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROUTES } from '../../src/server/routes.ts';
import { type Call, callAll, type OtherUser, otherUser } from '../harness/other-user.ts';
import { profile } from '../harness/sample-profiles.ts';
import type { Json } from '../harness/socket-api.ts';
import { createWorld, type World } from '../harness/world.ts';

const isRoot = process.getuid!() === 0;
const SELF = process.getuid!();

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** The profile lists the uid or one of the groups. */
  readonly listed: boolean;
}
const user = (name: string, uid: number, listed: boolean, groups: readonly number[] = []): User => ({
  name,
  uid,
  gid: uid,
  groups,
  listed,
});
const USERS: readonly User[] = isRoot
  ? [
      user('the-agents', 0, true),
      user('by-uid', 1000, true),
      user('second-uid', 1001, true),
      user('by-group', 1002, true, [77]),
      user('unlisted', 1003, false),
      // The same primary group as one who is listed by uid, and a supplementary one that nobody lists.
      { ...user('near-miss', 1004, false, [78]), gid: 1000 },
    ]
  : [user('the-agents', SELF, true)];

const EVENT = { type: 'pull_request', id: '7' };
const BODY = { profile: 'common', event: EVENT };
const taskOf = ({ name }: User): string => `of-${name}`;

let world: World;
beforeAll(async () => {
  const secrets = { app: { path: 'secret/data/app/prod', files: { 'app.json': { format: 'json' } } } };
  world = await createWorld({
    profiles: {
      common: profile({
        allow: { uids: USERS.filter(({ groups }) => groups.length === 0).flatMap(listedUid), gids: [77] },
        ttl: { default: '10m', max: '1h', grace: '0s', extend: true },
        vault: { policies: ['tasklease-app-config'] },
        secrets,
      }),
    },
    config: { socket: { mode: '0666' } },
  });
});
afterAll(() => world?.close());
const listedUid = ({ uid, listed }: User): number[] => (listed ? [uid] : []);

const as = ({ uid, gid, groups }: User): OtherUser => otherUser(uid, gid, [...groups]);
/** Without root there is nobody to become: the test itself calls. */
const calls = (who: User, socket: string, list: readonly Call[]): Promise<Json[]> =>
  isRoot ? as(who).calls(socket, list) : callAll(socket, list);

/** What an answer is: its status, and the code where it is a problem. */
const answerOf = (reply: Json): string =>
  'error' in reply
    ? reply.error
    : reply.status >= 400
      ? `${reply.status} ${reply.body.code}`
      : `${reply.status}`;

/** A call about a task, and what comes of it on the workloads' socket. */
interface Row {
  readonly call: readonly [method: string, path: string, body?: unknown];
  readonly own: string;
  /** Of another's, and of one that nobody has. */
  readonly foreign: string;
  /** By root on the admin socket, of a living task of somebody else. */
  readonly admin: string;
}
/** `*` is the task. In this order: what ends the task comes last. */
const ABOUT_A_TASK: readonly Row[] = [
  { call: ['GET', '/v1/tasks/*'], own: '200', foreign: '404 TASK_UNKNOWN', admin: '200' },
  { call: ['GET', '/v1/tasks/*/events'], own: '200', foreign: '404 TASK_UNKNOWN', admin: '200' },
  {
    call: ['GET', '/v1/tasks/*/receipt'],
    own: '409 NOT_CLOSED',
    foreign: '404 TASK_UNKNOWN',
    admin: '409 NOT_CLOSED',
  },
  {
    call: ['POST', '/v1/tasks/*/extend', { duration: '1s' }],
    own: '200',
    foreign: '404 TASK_UNKNOWN',
    admin: '200',
  },
  {
    call: ['POST', '/v1/tasks/*/abandon', { reason: 'x' }],
    own: '403 ADMIN_ONLY',
    foreign: '403 ADMIN_ONLY',
    admin: '',
  },
  {
    call: ['POST', '/v1/tasks/*/approval', { approve: true }],
    own: '403 ADMIN_ONLY',
    foreign: '403 ADMIN_ONLY',
    admin: '',
  },
  { call: ['DELETE', '/v1/tasks/*?wait=30s'], own: '200', foreign: '404 TASK_UNKNOWN', admin: '200' },
];
/** Calls about none: on the workloads' socket, on the admin socket. */
const ABOUT_NONE: readonly (readonly [call: Call, workloads: string, admin: string])[] = [
  [['GET', '/v1/tasks'], '200', '200'],
  [['GET', '/v1/events'], '200', '200'],
  [['DELETE', '/v1/tasks?event=pull_request:nobody'], '200', '200'],
  [['DELETE', '/v1/tasks'], '400 SIGNAL_INVALID', '400 SIGNAL_INVALID'],
  [['GET', '/v1/health'], '200', '200'],
  [['GET', '/v1/health?ready'], '200', '200'],
  [['GET', '/v1/metrics'], '200', '200'],
  [['GET', '/v1/openapi.json'], '200', '200'],
  [['GET', '/v1/nothing'], '404 NOT_FOUND', '404 NOT_FOUND'],
  [['PATCH', '/v1/tasks'], '405 METHOD_NOT_ALLOWED', '405 METHOD_NOT_ALLOWED'],
  // These two last: they are the end of all.
  [['POST', '/v1/revoke-all?wait=30s'], '403 ADMIN_ONLY', '200'],
  [['POST', '/v1/drain?wait=30s'], '403 ADMIN_ONLY', '200'],
];
const about = ({ call: [method, path, body] }: Row, task: string): Call => [
  method,
  path.replace('*', task),
  body,
];
const HEALTH: Call = ['GET', '/v1/health'];
const START = ['PUT', '/v1/tasks/*', BODY] as const;

test('no call is missing here', () => {
  const known = [START, ...ABOUT_A_TASK.map(({ call }) => call), ...ABOUT_NONE.map(([call]) => call)].map(
    ([method, path]) => `${method} ${path.replace(/\?.*/, '')}`,
  );
  for (const { method, path } of ROUTES) expect(known).toContain(`${method} /v1/${path.join('/')}`);
});

const who = isRoot ? 'six uids' : 'the one uid that there is without root (as root: six)';
describe(`${who}, the workloads' socket`, () => {
  const socket = () => world.paths.socket;

  test('who is listed starts a task, and the same start again is the same task; nobody else does', async () => {
    for (const each of USERS) {
      const start: Call = ['PUT', `/v1/tasks/${taskOf(each)}`, BODY];
      const answers = (await calls(each, socket(), [start, start])).map(answerOf);
      expect([each.name, ...answers]).toEqual(
        each.listed ? [each.name, '201', '200'] : [each.name, '403 PROFILE_DENIED', '403 PROFILE_DENIED'],
      );
    }
  });

  test.each(USERS)(
    '$name: each call about another’s task is answered as about one that nobody has',
    async (each) => {
      const others = USERS.filter((other) => other !== each && other.listed).map(taskOf);
      const foreign = [...others, 'unknown'];
      const rows = ABOUT_A_TASK.flatMap((row) => foreign.map((task) => [row, task] as const));
      const replies = await calls(
        each,
        socket(),
        rows.map(([row, task]) => about(row, task)),
      );
      for (const [i, [row, task]] of rows.entries()) {
        const which = `${each.name} ${row.call[0]} ${row.call[1]} ${task}`;
        expect(`${which}: ${answerOf(replies[i])}`).toBe(`${which}: ${row.foreign}`);
        // To the letter: nothing but the id that was asked for differs.
        const unknown = rows.findIndex(([other, of]) => other === row && of === 'unknown');
        expect(withoutDate(replies[i], task)).toEqual(withoutDate(replies[unknown], 'unknown'));
      }
      // And none of it did anything to it.
      const living = (await world.admin('GET', '/v1/tasks')).body.tasks.map(({ state }: Json) => state);
      expect(living).toEqual(USERS.filter(({ listed }) => listed).map(() => 'active'));
    },
  );

  test('an id of another’s task: taken, for who may start; for who may not, as any other id', async () => {
    for (const each of USERS) {
      for (const other of USERS.filter((one) => one !== each && one.listed)) {
        const [taken, free, profile, noProfile] = await calls(each, socket(), [
          ['PUT', `/v1/tasks/${taskOf(other)}`, BODY],
          each.listed ? HEALTH : ['PUT', '/v1/tasks/free-id', BODY],
          ['PUT', `/v1/tasks/${taskOf(other)}`, { profile: 'no-such' }],
          ['PUT', '/v1/tasks/free-id', { profile: 'no-such' }],
        ]);
        if (each.listed) expect(answerOf(taken)).toBe('409 TASK_CONFLICT');
        else expect(withoutDate(taken, taskOf(other))).toEqual(withoutDate(free, 'free-id'));
        if (other.uid >= 1000) expect(taken.text).not.toContain(`${other.uid}`);
        expect(withoutDate(profile, taskOf(other))).toEqual(withoutDate(noProfile, 'free-id'));
        expect(answerOf(profile)).toBe('404 PROFILE_UNKNOWN');
      }
    }
  });

  test('lists, streams and events of business are each caller’s own', async () => {
    for (const each of USERS) {
      const [list, others] = await calls(each, socket(), [
        ['GET', '/v1/tasks'],
        // All tasks are under event 7: who has none of them stops none.
        ['DELETE', `/v1/tasks?event=pull_request:${each.listed ? 8 : 7}`],
      ]);
      expect(list.body.tasks.map(({ task }: Json) => task)).toEqual(each.listed ? [taskOf(each)] : []);
      expect(others.body).toEqual({ tasks: [] });
    }
  });

  test.each(USERS)('$name: the calls about no task', async (each) => {
    const replies = await calls(
      each,
      socket(),
      ABOUT_NONE.map(([call]) => call),
    );
    expect(replies.map(answerOf)).toEqual(ABOUT_NONE.map(([, expected]) => expected));
    // Of tasks that are not theirs, they see numbers alone.
    for (const { text } of replies) {
      for (const other of USERS.filter((one) => one !== each)) expect(text).not.toContain(taskOf(other));
    }
  });

  test.each(USERS.filter(({ listed }) => listed))('$name: each call about the own task', async (each) => {
    const task = taskOf(each);
    const replies = await calls(
      each,
      socket(),
      ABOUT_A_TASK.map((row) => about(row, task)),
    );
    expect(replies.map(answerOf)).toEqual(ABOUT_A_TASK.map(({ own }) => own));
  });

  test('a closed task: its receipt is its caller’s alone, and its id is spent for who may start', async () => {
    for (const each of USERS) {
      for (const other of USERS.filter(({ listed }) => listed)) {
        const task = taskOf(other);
        const [receipt, shown, again, free] = await calls(each, socket(), [
          ['GET', `/v1/tasks/${task}/receipt`],
          ['GET', `/v1/tasks/${task}`],
          ['PUT', `/v1/tasks/${task}`, BODY],
          each.listed ? HEALTH : ['PUT', '/v1/tasks/free-id', BODY],
        ]);
        const mine = each === other;
        expect([each.name, task, answerOf(receipt)]).toEqual([
          each.name,
          task,
          mine ? '200' : '404 TASK_UNKNOWN',
        ]);
        expect(answerOf(shown)).toBe(mine ? '200' : '404 TASK_UNKNOWN');
        if (each.listed) expect(answerOf(again)).toBe('409 TASK_SPENT');
        else expect(withoutDate(again, task)).toEqual(withoutDate(free, 'free-id'));
      }
    }
  });
});

describe(`${who}, the admin socket`, () => {
  const admin = () => world.paths.admin;

  test('is for the agent’s own uid; nobody else comes to it', async () => {
    for (const each of USERS) {
      const every: Call[] = [
        START,
        ...ABOUT_A_TASK.map((row) => about(row, 'any')),
        ...ABOUT_NONE.map(([call]) => call),
      ];
      if (each.uid === SELF) continue;
      const answers = (await calls(each, admin(), every)).map(answerOf);
      expect(answers).toEqual(every.map(() => 'EACCES'));
    }
  });

  test('shows, extends and stops everybody’s tasks, and knows what nobody has', async () => {
    const other = USERS.at(isRoot ? 1 : 0)!;
    const [started] = await calls(other, world.paths.socket, [['PUT', '/v1/tasks/somebodys', BODY]]);
    expect(answerOf(started)).toBe('201');
    const self = USERS[0]!;
    const asked = ABOUT_A_TASK.filter((row) => row.admin !== '');
    const unknown = await calls(
      self,
      admin(),
      ABOUT_A_TASK.map((row) => about(row, 'unknown')),
    );
    expect(unknown.map(answerOf)).toEqual(ABOUT_A_TASK.map(() => '404 TASK_UNKNOWN'));
    const again = await calls(self, admin(), [
      ['PUT', '/v1/tasks/somebodys', BODY],
      ['PUT', '/v1/tasks/somebodys', { ...BODY, duration: '1m' }],
      ['POST', '/v1/tasks/somebodys/abandon', { reason: 'x' }],
    ]);
    expect(again.map(answerOf)).toEqual(['200', '409 TASK_CONFLICT', expect.stringMatching(/^4\d\d /)]);
    const replies = await calls(
      self,
      admin(),
      asked.map((row) => about(row, 'somebodys')),
    );
    expect(replies.map(answerOf)).toEqual(asked.map((row) => row.admin));
  });

  test('has the calls about no task, and those that end all', async () => {
    const replies = await calls(
      USERS[0]!,
      admin(),
      ABOUT_NONE.map(([call]) => call),
    );
    expect(replies.map(answerOf)).toEqual(ABOUT_NONE.map(([, , expected]) => expected));
    const [late] = await calls(USERS[0]!, world.paths.socket, [['PUT', '/v1/tasks/too-late', BODY]]);
    expect(answerOf(late)).toBe('503 DRAINING');
  });
});

/** A reply without what changes by itself, and without the task's id. */
const withoutDate = (reply: Json, task: string): unknown => {
  const { date: _date, 'content-length': _length, ...headers } = reply.headers ?? {};
  return { status: reply.status, headers, text: String(reply.text).replaceAll(task, '*') };
};
