// Owns the note in Vault that an assertion is presented, for profiles that want it to count for all agents together
// (`single_use: vault`). Invariant: no start goes on unless Vault has said that the note is ours.

import type { UseRecord } from '../ports/vault.ts';
import { understand } from './failures.ts';
import type { Ports } from './ports.ts';
import type { VaultSession } from './vault-session.ts';

export type ClaimUse = (use: string, record: UseRecord) => Promise<boolean>;

/** True when the use is ours. @throws Problem when Vault cannot be asked; nothing is spent by that */
export const claimsIn =
  ({ vault }: Ports, session: VaultSession): ClaimUse =>
  async (use, record) => {
    const { token } = await session.sessionForStart();
    try {
      return await vault.claimUse(token, use, record);
    } catch (error) {
      throw understand(error, session).problem;
    }
  };
