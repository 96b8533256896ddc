// Owns how the demo speaks to an agent: HTTP and JSON over its Unix socket, as any workload would,
// with nothing of the agent's own code.
import { askJson } from './ask-json.ts';

export type ApiBody = Record<string, unknown>;
export type ApiReply = { status: number; body: ApiBody };

/** One call to the socket API. Rejects only when the socket cannot be reached. */
export const callAgent = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiReply> => askJson<ApiBody>({ socketPath, method, path }, body);

/** What a problem+json says to a person, in one line. */
export const problemText = ({ status, body }: ApiReply): string =>
  [`${status}`, body.code, body.detail, body.hint].filter((part) => part !== undefined).join(' · ');
