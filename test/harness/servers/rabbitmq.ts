// Owns one real RabbitMQ with its management API, and the port mapper that Erlang would else start for the whole
// machine and leave behind.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, launch } from '../../../src/dev/children.ts';
import { program } from './program.ts';
import { type Server, serve } from './server.ts';

const PACKAGE = 'rabbitmq-server';

export type Rabbitmq = Server & {
  /** `port` speaks AMQP 0-9-1; this one is the management API's. */
  readonly managementPort: number;
  readonly managementUrl: string;
  readonly user: string;
  readonly password: string;
  /** One call of the management API as the administrator. */
  manage(method: string, path: string, body?: unknown): Promise<unknown>;
};

/** One call of the management API as whoever: its status and JSON. */
export const rabbitmqApi = async (
  managementPort: number,
  user: string,
  password: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> => {
  const reply = await fetch(`http://127.0.0.1:${managementPort}/api/${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await reply.text();
  return { status: reply.status, body: text === '' ? null : JSON.parse(text) };
};

export const startRabbitmq = async (): Promise<Rabbitmq> => {
  const user = 'vaultadmin';
  const password = randomBytes(18).toString('base64url');
  // Not the one in PATH, which changes to a system user.
  const command = program('/usr/lib/rabbitmq/bin/rabbitmq-server', PACKAGE);
  const epmd = program('epmd', 'erlang-base');
  let mapper: Child | undefined;
  let managementPort = 0;
  const server = await serve('rabbitmq', 4, async (dir, ports) => {
    const [port, management, distribution, mapperPort] = ports as [number, number, number, number];
    managementPort = management;
    await mapper?.end('SIGKILL', 1000);
    mapper = await launch(epmd, ['-port', String(mapperPort), '-address', '127.0.0.1'], {
      logPath: join(dir, 'epmd.log'),
    });
    await writeFile(join(dir, 'enabled_plugins'), '[rabbitmq_management].\n');
    await writeFile(
      join(dir, 'rabbitmq.conf'),
      [
        `listeners.tcp.1 = 127.0.0.1:${port}`,
        'management.tcp.ip = 127.0.0.1',
        `management.tcp.port = ${management}`,
        `default_user = ${user}`,
        `default_pass = ${password}`,
        'log.console = true',
        'log.console.level = warning',
        'vm_memory_high_watermark.absolute = 512MB',
        'disk_free_limit.absolute = 50MB',
      ].join('\n'),
      { mode: 0o600 },
    );
    return {
      name: 'RabbitMQ',
      command,
      args: [],
      env: {
        LC_ALL: 'C.UTF-8',
        RABBITMQ_NODENAME: `tasklease-${port}@localhost`,
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
        RABBITMQ_LOG_BASE: join(dir, 'log'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'generated'),
        RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
        RABBITMQ_FEATURE_FLAGS_FILE: join(dir, 'feature_flags'),
        ERL_EPMD_PORT: String(mapperPort),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        // The script then becomes the server instead of watching it: what ends the one ends the other.
        RUNNING_UNDER_SYSTEMD: 'true',
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none',
      },
      ready: async () => {
        try {
          const { status } = await rabbitmqApi(management, user, password, 'GET', 'health/checks/alarms');
          return status === 200;
        } catch {
          return false;
        }
      },
    };
  });
  const { stop } = server;
  return Object.assign(server, {
    managementPort,
    managementUrl: `http://127.0.0.1:${managementPort}`,
    user,
    password,
    manage: async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const reply = await rabbitmqApi(managementPort, user, password, method, path, body);
      if (reply.status >= 300) {
        throw new Error(`RabbitMQ answered ${reply.status} to its administrator's ${method} ${path}`);
      }
      return reply.body;
    },
    stop: async () => {
      await stop();
      await mapper?.end('SIGKILL', 1000);
    },
  });
};
