// Owns the served description of the API (OpenAPI 3.1). The body of a start comes from the schema that checks
// it; answers are described by hand beside view.ts and fact.ts.

import * as z from 'zod';
import { CATALOGUE } from '../domain/problem.ts';
import { startBody } from '../schema/signal.ts';

const STRING = { type: 'string' } as const;
const TIME = { type: 'string', format: 'date-time' } as const;
const NULLABLE_TIME = { type: ['string', 'null'], format: 'date-time' } as const;

const EVENT = { type: ['object', 'null'], properties: { type: STRING, id: STRING } } as const;

const TASK = {
  type: 'object',
  properties: {
    task: STRING,
    state: { enum: ['starting', 'active', 'degraded', 'stopping', 'closed'] },
    profile: STRING,
    dir: { type: ['string', 'null'], description: 'where the files are while the task lives' },
    files: { type: 'array', items: STRING },
    generation: { type: 'integer' },
    started_at: TIME,
    expires_at: TIME,
    deadline: TIME,
    event: EVENT,
    outcome: STRING,
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
        },
      },
    },
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
  },
} as const;

/** One call, as the route table has it. */
export interface Call {
  readonly method: string;
  readonly path: readonly string[];
  readonly admin?: true;
  /** Known, but not in this version: answered NOT_FOUND, and not described. */
  readonly later?: true;
  /** Names of query parameters. */
  readonly query?: readonly string[];
  /** What a good answer is. */
  readonly answers?: 'Task' | 'Receipt';
}

export function openapi(version: string, calls: readonly Call[]): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const call of calls) {
    if (call.later === true) continue;
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
        Start: z.toJSONSchema(startBody, { io: 'input', unrepresentable: 'any' }),
        Task: TASK,
        Receipt: RECEIPT,
        Problem: PROBLEM,
      },
    },
  };
}

const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function operation({ method, path, admin, query = [], answers }: Call): unknown {
  const inPath = path.includes('*') ? [{ name: 'task', in: 'path', required: true, schema: STRING }] : [];
  const inQuery = query.map((name) => ({ name, in: 'query', required: false, schema: STRING }));
  const start = { required: true, content: { 'application/json': { schema: schema('Start') } } };
  const content =
    answers === undefined ? {} : { content: { 'application/json': { schema: schema(answers) } } };
  return {
    ...(admin === true ? { description: 'Admin socket only.' } : {}),
    parameters: [...inPath, ...inQuery],
    ...(method === 'PUT' ? { requestBody: start } : {}),
    responses: {
      '2XX': { description: 'the answer', ...content },
      default: {
        description: 'a problem (RFC 9457)',
        content: { 'application/problem+json': { schema: schema('Problem') } },
      },
    },
  };
}
