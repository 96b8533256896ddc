// Owns what is said about a request by the looks of its path: which engine it most likely is, and where Vault documents
// it. Invariant: only comments depend on it; a mount of another name is merely described more generally.

import type { TaskRequest } from './requests.ts';

const API = 'https://developer.hashicorp.com/vault/api-docs/secret';

const KINDS: readonly { readonly path: RegExp; readonly what: string; readonly see: string }[] = [
  {
    path: /^[^/]+\/(?:[^/]+\/)*data\//,
    what: 'a KV version 2 secret. It has no lease: what ends with the task is the file and the token. Its older versions are not for the task.',
    see: `${API}/kv/kv-v2#read-secret-version`,
  },
  {
    path: /^(?:[^/]*pki[^/]*|pki\/.*)\/(?:issue|sign|sign-verbatim)\//,
    what: 'a certificate. Let its PKI role say generate_lease=true: then it is revoked with the task, else nothing would die with it.',
    see: `${API}/pki#generate-certificate-and-key`,
  },
  {
    path: /^database[^/]*\/creds\//,
    what: "a database login of the task's own.",
    see: `${API}/databases#generate-credentials`,
  },
  {
    path: /^aws[^/]*\/(?:creds|sts)\//,
    what: "AWS credentials of the task's own.",
    see: `${API}/aws#generate-credentials`,
  },
  {
    path: /^rabbitmq[^/]*\/creds\//,
    what: "a RabbitMQ login of the task's own.",
    see: `${API}/rabbitmq#generate-credentials`,
  },
  {
    path: /^ssh[^/]*\/creds\//,
    what: 'an SSH one-time password.',
    see: `${API}/ssh#generate-ssh-credentials`,
  },
  { path: /^ssh[^/]*\/(?:sign|issue)\//, what: 'an SSH certificate.', see: `${API}/ssh#sign-ssh-key` },
  {
    path: /^(?:ldap|openldap|ad)[^/]*\/creds\//,
    what: "a directory login of the task's own.",
    see: `${API}/ldap`,
  },
  {
    path: /^kubernetes[^/]*\/creds\//,
    what: "a service account token of the task's own.",
    see: `${API}/kubernetes#generate-credentials`,
  },
  { path: /^transit[^/]*\//, what: 'one operation with one key.', see: `${API}/transit` },
  { path: /\/creds\//, what: "a credential of the task's own.", see: API },
];

const OTHER = {
  what: 'this path alone.',
  see: 'https://developer.hashicorp.com/vault/docs/concepts/policies',
};

export const aboutPath = ({
  path,
}: Pick<TaskRequest, 'path'>): { readonly what: string; readonly see: string } =>
  KINDS.find((kind) => kind.path.test(path)) ?? OTHER;
