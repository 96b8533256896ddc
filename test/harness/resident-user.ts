// Owns another user of the machine who stays: one child process that gave up root's rights and then speaks to the agent
// as often as it is asked, for stories of many calls. Run as a program it reads one call a line.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { call, type Reply } from './socket-api.ts';

export interface ResidentUser {
  call(socketPath: string, method: string, path: string, body?: unknown): Promise<Reply>;
  close(): void;
}

const self = fileURLToPath(import.meta.url);

/** Needs root. Calls are answered one after another. */
export const residentUser = (uid: number, gid: number): ResidentUser => {
  const child: ChildProcess = spawn(process.execPath, [self, String(uid), String(gid)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  const gone = () => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the process of uid ${uid} has ended`));
  };
  child.once('error', gone);
  child.once('close', gone);
  child.stdin!.on('error', () => undefined);
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const { reply, error } = JSON.parse(line);
    const { resolve, reject } = waiting.shift()!;
    if (error === undefined) resolve(reply);
    else reject(new Error(`as uid ${uid}: ${error}`));
  });
  return {
    call: (...asked) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin!.write(`${JSON.stringify(asked)}\n`);
      }),
    close: () => void child.kill('SIGKILL'),
  };
};

if (import.meta.main) {
  const [uid, gid] = process.argv.slice(2).map(Number);
  process.setgroups!([]);
  process.setgid!(gid!);
  process.setuid!(uid!);
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line) as Parameters<ResidentUser['call']>;
    const answer = await call(...asked).then(
      (reply) => ({ reply }),
      (error) => ({ error: String(error) }),
    );
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
