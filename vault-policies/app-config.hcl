# Policy "tasklease-app-config", for tasks of the profile app-config: the settings of the environment that the
# start names (KV version 2: the API path has "data/" in it). A KV secret has no lease: revoking cannot unmake
# it, what ends with the task is the file and the token.
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
path "secret/data/app/staging" {
  capabilities = ["read"]
}
path "secret/data/app/prod" {
  capabilities = ["read"]
}
