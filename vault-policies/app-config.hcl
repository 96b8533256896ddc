# Policy "tasklease-app-config", for tasks of the profile app-config: The settings of one environment.

# settings: a KV version 2 secret. It has no lease: what ends with the task is the file and the token. Its older
# versions are not for the task.
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
path "secret/data/app/staging" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
path "secret/data/app/prod" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
