// Owns acting as another user of the machine: a child process that was started as root gives up its rights
// and then speaks to the agent or opens a file. Run as a program it reads one request from its arguments.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { call, type Json, openCall, type Reply } from './socket-api.ts';

/** Method, path and body. */
export type Call = readonly [method: string, path: string, body?: unknown];

export type OtherUser = {
  call(socketPath: string, method: string, path: string, body?: unknown): Promise<Reply>;
  /**
   * Several calls of one process, one after another: replies, or the codes of errors. A stream is hung up on as soon
   * as it is there.
   */
  calls(socketPath: string, calls: readonly Call[]): Promise<(Reply | { error: string })[]>;
  /** The file's text, or the error's code. */
  read(path: string): Promise<{ text: string } | { error: string }>;
};

const self = fileURLToPath(import.meta.url);

const ask = (uid: number, gid: number, groups: number[], work: Json): Promise<Json> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [self, JSON.stringify({ uid, gid, groups, work })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.once('error', reject);
    child.once('close', () => {
      try {
        resolve(JSON.parse(out));
      } catch (cause) {
        reject(new Error(`the other user's process said: ${out}`, { cause }));
      }
    });
  });

/** Needs root. `groups` are supplementary. */
export const otherUser = (uid: number, gid: number, groups: number[] = []): OtherUser => ({
  call: async (socketPath, method, path, body) => {
    const answer = await ask(uid, gid, groups, { call: [socketPath, method, path, body] });
    if ('error' in answer) throw new Error(`${method} ${path} as uid ${uid}: ${answer.error}`);
    return answer;
  },
  calls: (socketPath, calls) => ask(uid, gid, groups, { calls, socketPath }),
  read: (path) => ask(uid, gid, groups, { read: path }),
});

/** As the other user. */
export const callAll = async (socketPath: string, calls: readonly Call[]): Promise<Json> => {
  const answers: Json[] = [];
  for (const [method, path, body] of calls) {
    const asked = /\/events(?:$|\?)/.test(path)
      ? hungUp(socketPath, method, path)
      : call(socketPath, method, path, body);
    answers.push(await asked.catch(failure));
  }
  return answers;
};

const hungUp = async (socketPath: string, method: string, path: string): Promise<Reply> => {
  const open = await openCall(socketPath, method, path);
  const { status, headers } = open;
  const body = status < 300 ? null : await open.next();
  open.close();
  return { status, headers, body, text: body === null ? '' : `${JSON.stringify(body)}\n` };
};

const failure = (error: unknown): Json => ({
  error: (error as NodeJS.ErrnoException).code ?? String(error),
});

if (import.meta.main) {
  const { uid, gid, groups, work } = JSON.parse(process.argv[2]!);
  process.setgroups!(groups);
  process.setgid!(gid);
  process.setuid!(uid);
  let answer: Json;
  try {
    if (work.read !== undefined) answer = { text: readFileSync(work.read, 'utf8') };
    else if (work.calls !== undefined) answer = await callAll(work.socketPath, work.calls);
    else {
      const [socketPath, method, path, body] = work.call;
      answer = await call(socketPath, method, path, body);
    }
  } catch (error) {
    answer = failure(error);
  }
  process.stdout.write(JSON.stringify(answer));
}
