# Policy "tasklease-incident". ACCESSOR is the accessor of Vault's token mount: vault auth list -format=json.
# Both paths end in the service whose name the task's token has.
# https://developer.hashicorp.com/vault/docs/concepts/policies#templated-policies

# A login of its own to the log store, with the rights of that service's readers (target.sql).
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/logs-{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}

# What to do, and how to reach whom.
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
path "secret/data/runbooks/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
