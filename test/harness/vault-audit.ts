// Owns what Vault's own audit device wrote down of a task, in clear: its token, what was asked with it and what was
// answered. Invariant: nothing of it comes from the agent; requests are told apart by the token's accessor.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Json } from './socket-api.ts';

export type Login = { readonly username: string; readonly password: string };

interface Line {
  readonly type: string;
  readonly request: { readonly path: string; readonly data?: Json };
  readonly auth?: { readonly accessor?: string; readonly metadata?: Record<string, string> };
  readonly response?: {
    readonly auth?: { readonly client_token: string; readonly accessor: string };
    readonly data?: Json;
  };
}

export class VaultAudit {
  readonly #path: string;
  readonly #made = new Map<string, { readonly client_token: string; readonly accessor: string }>();

  constructor(path: string) {
    this.#path = path;
  }

  #lines(): Line[] {
    const lines = readFileSync(this.#path, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  }

  /** The token that Vault made for a task; in mode jwt for its assertion. */
  tokenOf(task: string, assertion?: string): string {
    const made = this.#lines().find(({ type, request: { path, data }, response }) => {
      const its =
        assertion === undefined
          ? path === 'auth/token/create/tasklease' && data?.meta?.task === task
          : path === 'auth/jwt/login' && data?.jwt === assertion;
      return its && type === 'response' && response?.auth !== undefined;
    });
    const auth = this.#made.get(task) ?? made?.response?.auth;
    expect(auth, `a token of ${task}`).toBeDefined();
    this.#made.set(task, auth!);
    return auth!.client_token;
  }

  /** What was asked with a task's token, or answered to it. */
  linesOf(task: string, type: 'request' | 'response'): Line[] {
    this.tokenOf(task);
    const { accessor } = this.#made.get(task)!;
    return this.#lines().filter((line) => line.type === type && line.auth?.accessor === accessor);
  }

  /** Database logins that Vault answered to a task's token. */
  issuedTo(task: string): Login[] {
    return this.linesOf(task, 'response').flatMap(({ response }) =>
      response?.data?.username === undefined ? [] : [response.data as Login],
    );
  }
}
