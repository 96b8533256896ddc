// Owns where callers come from: the admin socket, the workloads' sockets and the metrics port, opened by us or handed
// over by a service manager.

import type { Server } from 'node:http';
import { join } from 'node:path';
import { callerOf } from '../adapters/peer/credentials.ts';
import { SettingsFault } from '../adapters/settings/yaml-file.ts';
import type { Expected } from '../adapters/system/activation.ts';
import { groupId } from '../adapters/system/host.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { AgentConfig } from '../schema/config.ts';
import { listenMetrics, listenSocket, type SocketOptions } from '../server/http.ts';
import type { Service } from '../server/routes.ts';

/** Where workloads connect, by the key of the configuration. */
export const workloadSockets = ({ socket, sockets }: AgentConfig) => [
  { ...socket, key: 'socket', name: 'agent' },
  ...sockets.map((each, i) => ({ ...each, key: `sockets.${i}` })),
];

const ADMIN = 'admin';
const adminPath = ({ runtime_dir }: AgentConfig): string => join(runtime_dir, 'admin.sock');

/** Which sockets a service manager may open in the agent's place. */
export const expectedSockets = (config: AgentConfig): Expected[] => [
  ...workloadSockets(config).flatMap(({ name, key, path }) =>
    name === undefined ? [] : [{ name, key: `${key}.path`, path, private: false }],
  ),
  { name: ADMIN, key: 'runtime_dir', path: adminPath(config), private: true },
];

/** @throws SettingsFault, ListenFault */
export async function listen(
  service: Service,
  config: AgentConfig,
  given: ReadonlyMap<string, number>,
  { log, count }: Pick<Telemetry, 'log' | 'count'>,
): Promise<Server[]> {
  const onProblem: SocketOptions['onProblem'] = (problem, request) => {
    count('tasklease_refusals_total', { code: problem.code });
    const internal = problem.code === 'INTERNAL';
    const cause = internal && problem.cause instanceof Error ? problem.cause.stack : undefined;
    log(internal ? 'error' : 'debug', 'refused', {
      method: request.method,
      code: problem.code,
      detail: problem.message,
      cause,
    });
  };
  const shared = { callerOf, onProblem };
  const fdOf = (name: string | undefined) => {
    const fd = given.get(name ?? '');
    return fd === undefined ? {} : { fd };
  };
  const admin = { ...shared, ...fdOf(ADMIN), path: adminPath(config), mode: 0o600, admin: true };
  const declared = workloadSockets(config);
  const workloads = declared.map(({ key, name, path, mode, group, ...rest }): SocketOptions => {
    const gid = group === undefined ? null : groupId(group);
    if (group !== undefined && gid === null) {
      throw new SettingsFault(`${key}.group: there is no group ${group}: make it, or leave the key out`);
    }
    return {
      ...shared,
      ...fdOf(name),
      ...('profiles' in rest ? { profiles: rest.profiles } : {}),
      ...(gid === null ? {} : { gid }),
      key,
      path,
      mode,
      admin: false,
      among: declared.length,
    };
  });
  const servers: Server[] = [];
  for (const options of [admin, ...workloads]) servers.push(await listenSocket(service, options));
  if (config.metrics !== undefined) {
    const at = config.metrics.listen.lastIndexOf(':');
    const host = config.metrics.listen.slice(0, at).replace(/^\[|\]$/g, '');
    servers.push(await listenMetrics(service, host, Number(config.metrics.listen.slice(at + 1))));
  }
  return servers;
}
