# Policy "tasklease-support-record". ACCESSOR is the accessor of Vault's token mount: vault auth list -format=json.

# The record of the customer whose name the task's token has, and no other; nothing is listed, written or destroyed.
# https://developer.hashicorp.com/vault/docs/concepts/policies#templated-policies
path "secret/data/customers/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
