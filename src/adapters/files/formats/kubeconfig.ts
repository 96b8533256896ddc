// Format kubeconfig: one cluster, one user, one context (Kubernetes, "Organizing Cluster Access Using kubeconfig Files").
// The strings are JSON's, which YAML takes as they are: they are ASCII without control characters.

import type { RuleOf } from '../../../domain/file-rule.ts';
import type { Limit, Values } from '../values.ts';
import { blocks } from './pem-blocks.ts';

/** A bearer token goes into a header as it is (RFC 6750 §2.1). */
const NO_TOKEN: Limit = [/[^A-Za-z0-9._~+/=:-]/, 'a character that no bearer token has'];
const NO_NAMESPACE: Limit = [/[^a-z0-9-]/, 'a character that no namespace has'];
const NAME = 'tasklease';

export function kubeconfig(values: Values, rule: RuleOf<'kubeconfig'>): string {
  const namespace = rule.namespace ?? values.maybeText('namespace', NO_NAMESPACE);
  const cluster = { server: rule.server, ...authorityOf(values, rule) };
  const context = { cluster: NAME, user: NAME, ...(namespace === undefined ? {} : { namespace }) };
  return [
    'apiVersion: v1',
    'kind: Config',
    `current-context: ${NAME}`,
    ...['clusters:', `- name: ${NAME}`, '  cluster:', ...lines(cluster)],
    ...['users:', `- name: ${NAME}`, '  user:', ...lines(userOf(values))],
    ...['contexts:', `- name: ${NAME}`, '  context:', ...lines(context), ''],
  ].join('\n');
}

const lines = (members: Readonly<Record<string, string>>): string[] =>
  Object.entries(members).map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`);

/** Of the cluster: without any, readers take the system's. */
function authorityOf(values: Values, { ca, ca_file: file }: RuleOf<'kubeconfig'>): Record<string, string> {
  if (file !== undefined) return { 'certificate-authority': file };
  const found = values.maybe('ca');
  const text = found === undefined ? ca : blocks(values, found, 'certificate').join('');
  return text === undefined ? {} : { 'certificate-authority-data': base64(text) };
}

/** With a client certificate where the profile names one, else with a token. */
function userOf(values: Values): Record<string, string> {
  const certificate = values.maybe('certificate');
  if (certificate === undefined) return { token: values.text('token', NO_TOKEN) };
  return {
    'client-certificate-data': base64(blocks(values, certificate, 'certificate').join('')),
    'client-key-data': base64(blocks(values, values.part('private_key'), 'private_key').join('')),
  };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
