// Owns the bar of the RabbitMQ engine: users that an AMQP client logs in as, and the management API knows.
import amqp from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer } from '../harness/administer.ts';
import { type Rabbitmq, rabbitmqApi, startRabbitmq } from '../harness/servers/rabbitmq.ts';
import type { World } from '../harness/world.ts';
import { cycles, engineWorld } from './engine-world.ts';

let world: World;
let rabbitmq: Rabbitmq;

beforeAll(async () => {
  [rabbitmq, world] = await Promise.all([
    startRabbitmq(),
    engineWorld('path "rabbitmq/creds/app" { capabilities = ["read"] }', {
      queue: { path: 'rabbitmq/creds/app' },
    }),
  ]);
  // https://developer.hashicorp.com/vault/docs/secrets/rabbitmq
  await administer(world, 'POST', 'sys/mounts/rabbitmq', { type: 'rabbitmq' });
  await administer(world, 'POST', 'rabbitmq/config/connection', {
    connection_uri: rabbitmq.managementUrl,
    username: rabbitmq.user,
    password: rabbitmq.password,
  });
  await administer(world, 'POST', 'rabbitmq/config/lease', { ttl: 3600, max_ttl: 86_400 });
  await administer(world, 'POST', 'rabbitmq/roles/app', {
    tags: 'management',
    vhosts: JSON.stringify({
      '/': { configure: '^app\\.', write: '^app\\.|amq\\.default', read: '^app\\.' },
    }),
  });
});

afterAll(async () => {
  await Promise.all([world?.close(), rabbitmq?.stop()]);
});

/** A message sent and got back; false when the login is refused. */
const delivers = async (username: string, password: string): Promise<boolean> => {
  try {
    const connection = await amqp.connect({ hostname: '127.0.0.1', port: rabbitmq.port, username, password });
    try {
      const channel = await connection.createChannel();
      const { queue } = await channel.assertQueue(`app.${username}`, { exclusive: true });
      channel.sendToQueue(queue, Buffer.from('hello'));
      const got = await new Promise<string>((resolve) => {
        void channel.consume(queue, (message) => resolve(String(message?.content)), { noAck: true });
      });
      return got === 'hello';
    } finally {
      await connection.close();
    }
  } catch (error) {
    expect(String(error)).toContain('ACCESS_REFUSED');
    return false;
  }
};

test('twenty users: each sends and receives until its task stops, then AMQP and the management API refuse it', async () => {
  await cycles(world, 'queue', async ({ username, password }) => {
    const works = await delivers(username, password);
    const { status } = await rabbitmqApi(rabbitmq.managementPort, username, password, 'GET', 'whoami');
    expect(status).toBe(works ? 200 : 401);
    return works;
  });
  const users = (await rabbitmq.manage('GET', 'users')) as { name: string }[];
  expect(users.map(({ name }) => name)).toEqual([rabbitmq.user]);
  const left = (await rabbitmq.manage('GET', 'permissions')) as { user: string }[];
  expect(left.map(({ user }) => user)).toEqual([rabbitmq.user]);
});
