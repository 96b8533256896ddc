// Owns what the agent's login may do: make the session, and end itself. Invariant: it comes to nothing that the session
// does not come to.

import type { Policy } from './model.ts';
import { LOGIN, type Names } from './names.ts';
import { because, own } from './session-policy.ts';
import { wrapped } from './wrapped.ts';

export function loginPolicy(session: string, { sessionRole }: Names): Policy {
  return {
    name: LOGIN,
    comment: wrapped(
      `Policy "tasklease-login": what the agent's login (AppRole, or a token from a file) may do: make the session through the token role "${sessionRole}", and end itself. A stolen login can therefore do at most what a stolen session can (see README.md), and only as long as it lives.`,
    ),
    rules: [
      {
        path: `auth/token/create/${sessionRole}`,
        capabilities: ['update'],
        allowed: {
          policies: [[session]],
          no_default_policy: [true],
          type: ['service'],
          renewable: [true],
          display_name: [],
          meta: [],
        },
        comment: because(
          'The role makes the session a periodic orphan: it outlives this login, has no entity that others could change, and ends one leash after its last renewal. The agent asks for nothing that the role does not say.',
          'auth/token#create-token',
        ),
      },
      own(
        'auth/token/revoke-self',
        'update',
        because(
          'The login is revoked as soon as the session exists. It has no default policy, so this is named.',
          'auth/token#revoke-a-token-self',
        ),
      ),
      own(
        'auth/token/lookup-self',
        'read',
        because(
          'Seeing how long a token from a file still lives, for readiness and "tasklease doctor".',
          'auth/token#lookup-a-token-self',
        ),
      ),
    ],
  };
}
