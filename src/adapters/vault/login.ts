// Owns how the agent itself logs in to Vault: one way an auth method. Invariant: credentials come from files, never
// from the environment or the command line, and are read anew at each login.

import { type AppRoleOptions, approleLogin } from './approle.ts';
import { readCredential, text } from './credential-file.ts';
import { type Login, loginAt } from './login-request.ts';
import type { Requests } from './requests.ts';

export type AuthOptions =
  | { readonly method: 'token_file'; readonly tokenFile: string }
  | AppRoleOptions
  | {
      /** A signed token in a file, which Vault checks itself (docs/auth/jwt) or through its API server (docs/auth/kubernetes). */
      readonly method: 'jwt' | 'kubernetes';
      readonly mount: string;
      readonly role?: string;
      readonly tokenFile: string;
    }
  | {
      /** The certificate that the connection shows (docs/auth/cert). */
      readonly method: 'cert';
      readonly mount: string;
      readonly role?: string;
    };

export function loginWith(auth: AuthOptions, requests: Requests): Login {
  switch (auth.method) {
    case 'token_file':
      return async () => ({ token: readCredential('vault.auth.token_file', auth.tokenFile), ours: false });
    case 'approle':
      return approleLogin(auth, requests);
    case 'jwt':
    case 'kubernetes':
      return async () => {
        const jwt = text(readCredential('vault.auth.token_file', auth.tokenFile));
        return loginAt(
          auth.mount,
          { ...(auth.role === undefined ? {} : { role: auth.role }), jwt },
          requests,
        );
      };
    case 'cert':
      return () => loginAt(auth.mount, auth.role === undefined ? {} : { name: auth.role }, requests);
  }
}
