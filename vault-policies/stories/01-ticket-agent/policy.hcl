# Policy "tasklease-ticket-agent". ACCESSOR is the accessor of Vault's token mount: vault auth list -format=json.

# The one ticket whose name the task's token has; whatever else the profile or the agent may say, Vault refuses.
# https://developer.hashicorp.com/vault/docs/concepts/policies#templated-policies
path "secret/data/tickets/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}

# A client certificate. For which name is decided by the role (vault/pki/roles/tickets-api.json), whose only name is
# the ticket's; alternative names and other fields cannot be asked for.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/tickets-api" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["*.tickets.internal"]
    "ttl"         = []
  }
}
