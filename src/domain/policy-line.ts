// Owns how a right that Vault asks for is named: the one line of a policy that gives it. Invariant: the same request
// has the same line, and the same place for it, wherever it is named: in a refusal's hint, explain, doctor, policy test.

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

/** `policy tasklease-report-read`, or the choice of several. */
export const intoPolicy = (names: readonly string[]): string =>
  names.length === 1
    ? `policy ${names[0]}`
    : names.length === 0
      ? 'a policy of the task'
      : `one of the policies ${names.join(', ')}`;

/** @param place `policy P`, or `role PATH` */
export const addTo = (place: string, line: string): string => `add to ${place}: ${line}`;

/** The same sentence read back; null for another one. */
export function readAddTo(sentence: string): { readonly into: string; readonly add: string } | null {
  const { into, add } = /^add to (?<into>role \S+): (?<add>.+)$/s.exec(sentence)?.groups ?? {};
  return into === undefined || add === undefined ? null : { into, add };
}

/** What a role at Vault has to list, as its files in vault-policies/ say it. */
export const roleLine = (key: string, policies: readonly string[]): string =>
  `${key} = [${policies.map((name) => JSON.stringify(name)).join(', ')}]`;

/** A token role's list of the policies that it may give (api-docs/auth/token#create-update-token-role). */
export const TOKEN_ROLE_LIST = 'allowed_policies_glob';
/** A login role's (api-docs/auth/jwt#create-update-role). */
export const LOGIN_ROLE_LIST = 'token_policies';
