// Owns how a right that Vault asks for is named: the one line of a policy that gives it. Invariant: the same request
// has the same line wherever it is named, in a refusal's hint, in explain, in doctor and in policy test.

/** What a policy of Vault can allow (docs/concepts/policies#capabilities). */
export type Capability =
  | 'create'
  | 'read'
  | 'update'
  | 'patch'
  | 'delete'
  | 'list'
  | 'sudo'
  | 'deny'
  | 'subscribe'
  | 'recover';

export const CAPABILITIES: readonly Capability[] = [
  ...(['create', 'read', 'update', 'patch', 'delete', 'list', 'sudo', 'deny', 'subscribe'] as const),
  'recover',
];

/** What Vault checks for a request that reads or writes a path. A write is an update wherever Vault does not look first. */
export const capabilityOf = (method: 'read' | 'write' | 'GET' | 'POST' | 'PUT'): Capability =>
  method === 'read' || method === 'GET' ? 'read' : 'update';

export const policyLine = (path: string, ...capabilities: readonly Capability[]): string =>
  `path ${JSON.stringify(path)} { capabilities = [${capabilities.map((name) => JSON.stringify(name)).join(', ')}] }`;
