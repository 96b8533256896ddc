// Owns the choice of a probe by its kind. Invariant: each is loaded when a profile asks for it, and not before.

import { type ProbeKind, targetOf } from '../../domain/probe.ts';
import { NotYet, type Probes } from '../../ports/probes.ts';
import type { Attempt } from './wire.ts';

const KINDS: Readonly<Record<ProbeKind, () => Promise<Attempt>>> = {
  tcp: async () => (await import('./reach.ts')).tcp,
  tls: async () => (await import('./reach.ts')).tls,
  http: async () => (await import('./http.ts')).http,
  postgres: async () => (await import('./postgres.ts')).postgres,
  mysql: async () => (await import('./mysql.ts')).mysql,
  redis: async () => (await import('./redis.ts')).redis,
  amqp: async () => (await import('./amqp.ts')).amqp,
  ldap: async () => (await import('./ldap.ts')).ldap,
};

export const openProbes = (): Probes => ({
  async attempt(probe, credential, signal) {
    const target = targetOf(probe);
    if (target === null) throw new NotYet('is no address');
    const attempt = await KINDS[probe.kind]();
    return attempt(probe, target, signal, credential);
  },
});
