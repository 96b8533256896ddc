# Policy "tasklease-workflow": what the engine itself needs. The steps' rights are not among it: a workflow cannot read
# what its steps read.
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
path "secret/data/workflows/nightly" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
