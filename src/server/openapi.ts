// Owns the served description of the API (OpenAPI 3.1). Bodies of requests come from the schemas that check
// them; answers are described by hand beside view.ts and fact.ts.

import * as z from 'zod';
import { CATALOGUE } from '../domain/problem.ts';
import { abandonBody, approvalBody, extendBody, signedApproval, startBody } from '../schema/signal.ts';

const STRING = { type: 'string' } as const;
const TIME = { type: 'string', format: 'date-time' } as const;
const NULLABLE_TIME = { type: ['string', 'null'], format: 'date-time' } as const;

const EVENT = { type: ['object', 'null'], properties: { type: STRING, id: STRING } } as const;

const WORD = {
  type: ['object', 'null'],
  properties: {
    uid: {
      type: ['integer', 'null'],
      description: "null for a signed approval, and where it was nobody's word",
    },
    signer: { type: 'string', description: 'who signed it (sub), for a signed approval' },
    at: TIME,
    reason: { type: ['string', 'null'] },
  },
} as const;

const TASK = {
  type: 'object',
  properties: {
    task: STRING,
    state: { enum: ['pending_approval', 'starting', 'active', 'degraded', 'stopping', 'closed'] },
    profile: STRING,
    dir: { type: ['string', 'null'], description: 'where the files are; null while there are none' },
    files: { type: 'array', items: STRING },
    generation: { type: 'integer' },
    files_since: { type: 'integer' },
    started_at: TIME,
    expires_at: TIME,
    deadline: TIME,
    event: EVENT,
    parent: { type: ['string', 'null'], description: 'the task that this one is a child of' },
    outcome: STRING,
    approval: {
      type: 'object',
      properties: {
        digest: {
          type: 'string',
          description: 'SHA-256 of scope as canonical JSON: names sorted, no blanks',
        },
        approve_by: TIME,
        given: { type: 'array', items: WORD },
        scope: { type: 'object', description: 'what is asked; any change of it is another request' },
      },
      description: 'where the profile needs one',
    },
    reason: {
      type: 'object',
      properties: { code: STRING, detail: STRING },
      description: 'why it is degraded, or why its revocation is still pending',
    },
    leases: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          secret: STRING,
          expires_at: NULLABLE_TIME,
          renewable: { type: 'boolean' },
          revocable: { type: 'boolean' },
        },
      },
    },
  },
} as const;

const RECEIPT = {
  type: 'object',
  properties: {
    task: STRING,
    profile: STRING,
    state: { const: 'closed' },
    outcome: { enum: ['completed', 'expired', 'lost', 'refused', 'revoked', 'failed'] },
    event: EVENT,
    started_at: TIME,
    closed_at: TIME,
    exposure_seconds: { type: 'number' },
    approval: {
      type: 'object',
      properties: { digest: STRING, given: { type: 'array', items: WORD }, denied: WORD },
      description: 'where the profile needed one',
    },
    leases: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          secret: STRING,
          path: STRING,
          issued_at: TIME,
          ended_at: NULLABLE_TIME,
          proof: { enum: ['revoked', 'unproved', 'expires'] },
          ends_at: NULLABLE_TIME,
          engine: { ...STRING, description: 'where it is mounted' },
          lease: { type: ['string', 'null'], description: 'its id as an HMAC' },
        },
      },
    },
    grant: {
      ...STRING,
      description: 'one life of the task id; this and what follows: where a ledger is kept',
    },
    profile_version: { type: ['string', 'null'], description: 'sha256: of the profile’s file' },
    caller: { type: 'object' },
    parent: { type: ['string', 'null'] },
    files: {
      type: 'object',
      properties: { written: { type: 'array', items: STRING }, erased_at: NULLABLE_TIME },
    },
    ledger: {
      type: 'object',
      properties: { id: STRING, seq: { type: 'integer' }, prev: STRING },
      description: 'where it stands in the ledger',
    },
    jws: { ...STRING, description: 'all of it, signed (EdDSA): tasklease audit keys prints the keys' },
  },
} as const;

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'retryable'],
  properties: {
    type: STRING,
    title: STRING,
    status: { type: 'integer' },
    detail: STRING,
    code: { enum: Object.keys(CATALOGUE) },
    hint: STRING,
    retryable: { type: 'boolean' },
    retry_after_ms: { type: 'integer', description: 'when to try again, where that is known' },
  },
} as const;

const BODIES = {
  Start: startBody,
  Extend: extendBody,
  // What the admin socket takes, and what any socket takes because its signer vouches for it.
  Approval: z.union([approvalBody, signedApproval]),
  Abandon: abandonBody,
};

/** One call, as the route table has it. */
export interface Call {
  readonly method: string;
  readonly path: readonly string[];
  readonly admin?: true;
  /** Names of query parameters. */
  readonly query?: readonly string[];
  /** The body that it needs. */
  readonly body?: keyof typeof BODIES;
  /** It may answer NDJSON, a line a fact, for as long as the connection is open. */
  readonly streams?: true;
  /** What a good answer is. */
  readonly answers?: 'Task' | 'Receipt';
}

export function openapi(version: string, calls: readonly Call[]): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const call of calls) {
    const name = `/v1/${call.path.map((part) => (part === '*' ? '{task}' : part)).join('/')}`;
    paths[name] ??= {};
    paths[name][call.method.toLowerCase()] = operation(call);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'tasklease', version },
    paths,
    components: {
      schemas: {
        ...Object.fromEntries(
          Object.entries(BODIES).map(([name, body]) => [
            name,
            z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' }),
          ]),
        ),
        Task: TASK,
        Receipt: RECEIPT,
        Problem: PROBLEM,
      },
    },
  };
}

const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function operation({ path, admin, query = [], body, answers, streams }: Call): unknown {
  const inPath = path.includes('*') ? [{ name: 'task', in: 'path', required: true, schema: STRING }] : [];
  const inQuery = query.map((name) => ({ name, in: 'query', required: false, schema: STRING }));
  const json = (name: string) => ({ 'application/json': { schema: schema(name) } });
  const content = {
    ...(answers === undefined ? {} : json(answers)),
    ...(streams === true ? { 'application/x-ndjson': { schema: { type: 'object' } } } : {}),
  };
  return {
    ...(admin === true ? { description: 'Admin socket only.' } : {}),
    parameters: [...inPath, ...inQuery],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      '2XX': {
        description: 'the answer; 202 while something is awaited',
        ...(Object.keys(content).length === 0 ? {} : { content }),
      },
      default: {
        description: 'a problem (RFC 9457); a 429 says in Retry-After when to come back',
        content: { 'application/problem+json': { schema: schema('Problem') } },
      },
    },
  };
}
