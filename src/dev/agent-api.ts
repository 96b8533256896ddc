// Owns how the demo speaks to an agent: HTTP and JSON over its Unix socket, as any workload would,
// with nothing of the agent's own code.
import { request as httpRequest } from 'node:http';

export type ApiBody = Record<string, unknown>;
export type ApiReply = { status: number; body: ApiBody };

/** One call to the socket API. Rejects only when the socket cannot be reached. */
export const callAgent = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiReply> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const sent = httpRequest(
      {
        socketPath,
        method,
        path,
        agent: false,
        ...(payload === undefined
          ? {}
          : { headers: { 'content-type': 'application/json', 'content-length': payload.length } }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = /^\s*[{[]/.test(text);
          resolve({
            status: response.statusCode ?? 0,
            body: isJson ? (JSON.parse(text) as ApiBody) : { text },
          });
        });
      },
    );
    sent.once('error', reject);
    sent.end(payload);
  });

/** What a problem+json says to a person, in one line. */
export const problemText = ({ status, body }: ApiReply): string =>
  [`${status}`, body.code, body.detail, body.hint].filter((part) => part !== undefined).join(' · ');
