// Owns which node of a Vault cluster a request goes to (docs/concepts/ha#request-forwarding): the configured address, or
// the one that it redirected to. Invariant: a token goes to no address but those of the configuration, and a redirected
// request was carried out by nobody before it is sent on.

import {
  type ConnectionOptions,
  type Connections,
  type Outgoing,
  openConnections,
  type RawReply,
} from './connections.ts';

export interface ClusterOptions extends ConnectionOptions {
  /** Addresses of the cluster's other nodes: where a redirect may lead. */
  readonly standbys?: readonly string[];
}

/** A node that redirects to one that redirects: the cluster is choosing its leader. */
const MOST_HOPS = 2;

export function openCluster(options: ClusterOptions): Connections {
  const home = new URL(options.address).origin;
  const listed = new Set([home, ...(options.standbys ?? []).map((address) => new URL(address).origin)]);
  const nodes = new Map<string, Connections>();
  const at = (origin: string): Connections => {
    const node = nodes.get(origin) ?? openConnections({ ...options, address: origin });
    nodes.set(origin, node);
    return node;
  };
  at(home);
  /** The node that answered last. */
  let active = home;
  return {
    async exchange(request) {
      let asked = active;
      for (let hops = 0; ; hops += 1) {
        const reply = await at(asked)
          .exchange(request)
          .catch((error: unknown) => {
            // It may be down: the next request asks the address of the configuration who is active now.
            active = home;
            throw error;
          });
        const next = redirected(reply, request, asked);
        if (next === null || !listed.has(next) || hops === MOST_HOPS) {
          active = next === null && reply.status < 500 ? asked : home;
          return reply;
        }
        reply.bytes.fill(0);
        asked = next;
      }
    },
    look: () => [...nodes.values()].map((node) => node.look()).includes(true),
    close() {
      for (const node of nodes.values()) node.close();
    },
  };
}

/** The node that a standby points to for this very request; null for every other answer. */
function redirected({ status, location }: RawReply, { path }: Outgoing, asked: string): string | null {
  if (status !== 307 && status !== 308) return null;
  const url = location !== undefined && URL.canParse(location, asked) ? new URL(location, asked) : null;
  if (url === null || url.username !== '' || url.password !== '') return '';
  return `${url.pathname}${url.search}` === path && url.origin !== asked ? url.origin : '';
}
