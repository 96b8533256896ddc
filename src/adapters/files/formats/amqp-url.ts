// Format amqp-url: amqp://user:password@host:port/vhost, or amqps:// (RabbitMQ, "URI Specification"). No newline at the
// end, so that what a program reads is the URL. Without a path it is the virtual host "/".

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Values } from '../values.ts';
import { authority, encoded } from './url.ts';

export function amqpUrl(values: Values, rule: RuleOf<'amqp-url'>): string {
  const { host = 'localhost', port, tls = false, vhost } = rule;
  const account = `${encoded(values.text('username'))}:${encoded(values.text('password'))}`;
  const path = vhost === undefined ? '' : `/${encoded(vhost)}`;
  return `${tls ? 'amqps' : 'amqp'}://${account}@${authority(host, port)}${path}`;
}
