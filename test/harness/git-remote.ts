// Owns a git remote over HTTP: git's own http-backend (git-http-backend(1), a CGI program) behind a Node server that has
// already decided who may. Invariant: what it serves is real git, for clone and push.

import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers with what the backend says of the repositories under `root`. */
export const serveGit = (
  root: string,
  user: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const { pathname, search } = new URL(request.url!, 'http://git');
    const { headers } = request;
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        // Whom the backend lets push: somebody who is known.
        REMOTE_USER: user,
        REQUEST_METHOD: request.method,
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: String(headers['content-encoding'] ?? ''),
        GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const chunks: Buffer[] = [];
    backend.once('error', reject);
    backend.stdin.on('error', () => undefined);
    request.pipe(backend.stdin);
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.once('close', () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf('\r\n\r\n');
      const said = answer
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map((line) => line.split(': ') as [string, string]);
      const status = Number(said.find(([name]) => name === 'Status')?.[1].slice(0, 3) ?? 200);
      response.writeHead(status, Object.fromEntries(said.filter(([name]) => name !== 'Status')));
      response.end(answer.subarray(end + 4));
      resolve();
    });
  });
