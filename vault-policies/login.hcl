# Policy "tasklease-login": what the agent's login (AppRole, or a token from a file) may do: make the session through
# the token role "tasklease-session", and end itself. A stolen login can therefore do at most what a stolen session
# can (see README.md), and only as long as it lives.

# The role makes the session a periodic orphan: it outlives this login, has no entity that others could change, and
# ends one leash after its last renewal. The agent asks for nothing that the role does not say.
# https://developer.hashicorp.com/vault/api-docs/auth/token#create-token
path "auth/token/create/tasklease-session" {
  capabilities = ["update"]
  allowed_parameters = {
    "policies"          = [["tasklease-session"]]
    "no_default_policy" = [true]
    "type"              = ["service"]
    "renewable"         = [true]
    "display_name"      = []
    "meta"              = []
  }
}

# The login is revoked as soon as the session exists. It has no default policy, so this is named.
# https://developer.hashicorp.com/vault/api-docs/auth/token#revoke-a-token-self
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Seeing how long a token from a file still lives, for readiness and "tasklease doctor".
# https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-self
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
