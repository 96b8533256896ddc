// Owns the few shapes of Vault's replies that are relied on. Invariant: a reply that does not fit is
// refused as VAULT_CONTRACT before anything in it is used.

import * as z from 'zod';

const seconds = z.number().int().min(0).max(315_360_000);

/** Reply of a login or a token creation (developer.hashicorp.com/vault/api-docs/auth/token). */
export const authReply = z.object({
  auth: z.object({
    client_token: z.string().min(1),
    accessor: z.string().min(1),
    policies: z.array(z.string()),
    lease_duration: seconds,
    renewable: z.boolean(),
    token_type: z.string(),
    orphan: z.boolean().optional(),
    metadata: z.record(z.string(), z.string()).nullish(),
    /** Empty where the token belongs to no entity. */
    entity_id: z.string().optional(),
  }),
});

/** What auth/token/lookup-self says of the policies of whoever asks. */
export const tokenPolicies = z.object({ data: z.object({ policies: z.array(z.string()) }) });

/** Reply of auth/token/renew-accessor, which does not show the token. */
export const renewedToken = z.object({
  auth: z.object({ accessor: z.string(), lease_duration: seconds, renewable: z.boolean() }),
});

/** Reply of a KV version 2 read that says for what an assertion was presented. */
export const useReply = z.object({
  data: z.object({ data: z.object({ task: z.string(), digest: z.string(), agent: z.string() }) }),
});

/** Reply that issues a secret. */
export const secretReply = z.object({
  lease_id: z.string(),
  lease_duration: seconds,
  renewable: z.boolean(),
  data: z.record(z.string(), z.unknown()),
  mount_type: z.string().optional(),
});

/** Reply of pki/cert/{serial}; 0 for one that is not revoked. */
export const certificateReply = z.object({
  data: z.object({ certificate: z.string(), revocation_time: z.number().int().min(0) }),
});

/** Reply of sys/capabilities-self (developer.hashicorp.com/vault/api-docs/system/capabilities-self): rights by path. */
export const capabilitiesReply = z.object({ data: z.record(z.string(), z.array(z.string())) });

export const renewReply = z.object({ lease_id: z.string(), lease_duration: seconds, renewable: z.boolean() });
