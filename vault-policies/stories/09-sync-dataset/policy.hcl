# Policy "tasklease-sync-dataset". ACCESSOR is the accessor of Vault's token mount: vault auth list -format=json.

# A login that reads the dataset whose name the task's token has (target.sql), and no other.
# https://developer.hashicorp.com/vault/docs/concepts/policies#templated-policies
path "database/creds/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
