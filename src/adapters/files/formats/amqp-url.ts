// Format amqp-url: amqp://user:password@host:port/vhost, or amqps:// (RabbitMQ, "URI Specification"). No newline at the
// end, so that what a program reads is the URL. Without a path it is the virtual host "/". Clients differ in what they
// make of encoded UTF-8 (amqplib takes each byte for a character): only ASCII.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { NOT_ASCII, type Values } from '../values.ts';
import { authority, encoded } from './url.ts';

export function amqpUrl(values: Values, rule: RuleOf<'amqp-url'>): string {
  const { host = 'localhost', port, tls = false, vhost } = rule;
  const account = `${encoded(values.text('username', NOT_ASCII))}:${encoded(values.text('password', NOT_ASCII))}`;
  const path = vhost === undefined ? '' : `/${encoded(vhost)}`;
  return `${tls ? 'amqps' : 'amqp'}://${account}@${authority(host, port)}${path}`;
}
