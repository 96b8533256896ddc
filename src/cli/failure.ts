// The ways in which a client command fails, one class each, so that exit codes are decided in one place
// (report.ts). Invariant: no message carries a secret; the API never sends one in a problem.

/** The command line itself is wrong: exit 2. `next` is what to type or read instead. */
export class UsageError extends Error {
  readonly next: string | undefined;
  constructor(message: string, next?: string) {
    super(message);
    this.next = next;
  }
}

/** The agent could not be reached, or went away before it answered: exit 3. `code` is the errno name. */
export class AgentUnreachable extends Error {
  readonly code: string;
  readonly socketPath: string;
  constructor(socketPath: string, code: string) {
    super(`${socketPath}: ${code}`);
    this.socketPath = socketPath;
    this.code = code;
  }
}

/** RFC 9457 problem document as the agent sends it (README, API). */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
  readonly retryable?: boolean;
  /** When to try again, where the agent says so. */
  readonly retryAfterMs?: number;
}

/** The agent answered, and the answer is no: exit 1. `text` is the API's body, byte for byte. */
export class Refused extends Error {
  readonly status: number;
  readonly problem: Problem;
  readonly text: string;
  constructor(status: number, text: string, body: unknown) {
    const problem = readProblem(status, body);
    super(`${problem.code} ${problem.detail}`);
    this.status = status;
    this.problem = problem;
    this.text = text;
  }
}

function readProblem(status: number, body: unknown): Problem {
  const fields = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const code = typeof fields.code === 'string' ? fields.code : `HTTP ${status}`;
  const detail = [fields.detail, fields.title].find((text) => typeof text === 'string');
  return {
    code,
    detail: detail ?? "the answer is not a problem document; is this socket the agent's?",
    ...(typeof fields.hint === 'string' ? { hint: fields.hint } : {}),
    ...(typeof fields.retryable === 'boolean' ? { retryable: fields.retryable } : {}),
    ...(typeof fields.retry_after_ms === 'number' ? { retryAfterMs: fields.retry_after_ms } : {}),
  };
}
