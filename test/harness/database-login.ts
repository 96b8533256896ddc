// Owns what PostgreSQL itself says to a leased login. Invariant: a refusal is the server's own, told by its SQLSTATE; a
// server that is not there is no refusal.

import { Client } from 'pg';
import type { Login } from './vault-audit.ts';

/** `done`, or the SQLSTATE (PostgreSQL manual, appendix A): 42501 may not, class 28 is not let in. */
export const saidTo = async (
  { username, password }: Login,
  statement: string,
  port: number,
): Promise<string> => {
  const client = new Client({ host: '127.0.0.1', port, database: 'postgres', user: username, password });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(statement);
    return 'done';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code?.length !== 5) throw error;
    return code;
  } finally {
    await client.end().catch(() => undefined);
  }
};
