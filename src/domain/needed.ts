// Owns which capabilities the request for a secret needs of a policy, so that whoever names a missing line names the same.

import type { Ask } from './ask.ts';
import { type Capability, capabilityOf } from './policy-line.ts';

/** A write that may make something new is checked as create, where it is there already as update. */
export const neededFor = (ask: Pick<Ask, 'method' | 'path' | 'body'>): readonly Capability[] =>
  isNewEntry(ask) ? ['create', 'update'] : [capabilityOf(ask.method)];

/** A write to a KV version 2 mount (api-docs/secret/kv/kv-v2#create-update-secret): Vault looks whether it is there. */
const isNewEntry = ({ method, path, body }: Pick<Ask, 'method' | 'path' | 'body'>): boolean =>
  method === 'write' && /^[^/]+\/(?:[^/]+\/)*data\//.test(path) && body !== undefined && 'data' in body;
