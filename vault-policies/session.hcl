# Policy "tasklease-session": what the agent's session token may do. It holds no secret's path: the agent makes
# tokens for tasks, keeps leases alive and ends them, and can itself read nothing.
# Parameter limits: https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints

# Make task tokens, under the one token role "tasklease" and only in the shape that keeps the promises: policies
# named one by one (left out, Vault would give every policy that the role allows; an empty list would count as left
# out), not renewable (a renewable token under a role outlives the time it was asked for), a service token (batch
# tokens cannot be revoked), no default policy. Which policies: the role's allowed_policies_glob say it; others are
# refused. An entity alias, for profiles with vault.entity_alias: the role's allowed_entity_aliases say which. The
# shipped role has none, so Vault refuses every alias; where no profile needs one, leave the line out too.
# https://developer.hashicorp.com/vault/api-docs/auth/token#create-token
path "auth/token/create/tasklease" {
  capabilities        = ["update"]
  required_parameters = ["policies", "ttl", "renewable", "type", "no_default_policy"]
  allowed_parameters = {
    "policies"          = []
    "ttl"               = []
    "renewable"         = [false]
    "type"              = ["service"]
    "no_default_policy" = [true]
    "entity_alias"      = []
    "display_name"      = []
    "meta"              = []
  }
  denied_parameters = {
    "policies" = [[], [""], ""]
  }
}

# Know a lease before and not any more after its revocation: that is the proof.
# https://developer.hashicorp.com/vault/api-docs/system/leases#read-lease
path "sys/leases/lookup" {
  capabilities        = ["update"]
  required_parameters = ["lease_id"]
  allowed_parameters = {
    "lease_id" = []
  }
}

# Keep a running task's leases alive, and cut them to the task's deadline. Task tokens may not.
# https://developer.hashicorp.com/vault/api-docs/system/leases#renew-lease
path "sys/leases/renew" {
  capabilities        = ["update"]
  required_parameters = ["lease_id", "increment"]
  allowed_parameters = {
    "lease_id"  = []
    "increment" = []
  }
}

# End a lease, and answer only when the engine has ended it (sync). To narrow it further, name the paths: "lease_id"
# = ["database/creds/report/*", "pki/issue/app/*"].
# https://developer.hashicorp.com/vault/api-docs/system/leases#revoke-lease
path "sys/leases/revoke" {
  capabilities        = ["update"]
  required_parameters = ["lease_id", "sync"]
  allowed_parameters = {
    "lease_id" = []
    "sync"     = [true]
  }
}

# End a task's token, and prove that it is gone, by accessor: the token itself is used once and forgotten.
# https://developer.hashicorp.com/vault/api-docs/auth/token#revoke-a-token-accessor
path "auth/token/revoke-accessor" {
  capabilities        = ["update"]
  required_parameters = ["accessor"]
  allowed_parameters = {
    "accessor" = []
  }
}
path "auth/token/lookup-accessor" {
  capabilities        = ["update"]
  required_parameters = ["accessor"]
  allowed_parameters = {
    "accessor" = []
  }
}

# Keep alive the token of a task that logged in for itself (profiles with vault.mode: jwt), by its accessor: it is
# nobody's child, so without this it ends by its TTL, which is the leash at most. Not needed where no profile does
# so.
# https://developer.hashicorp.com/vault/api-docs/auth/token#renew-a-token-accessor
path "auth/token/renew-accessor" {
  capabilities        = ["update"]
  required_parameters = ["accessor", "increment"]
  allowed_parameters = {
    "accessor"  = []
    "increment" = []
  }
}

# Note that a task assertion was presented (profiles with single_use: vault), once for all agents together: the first
# entry stays, since it is written with cas=0. Nothing secret is in it. Not needed where no profile does so.
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret
path "tasklease-uses/data/+" {
  capabilities = ["create", "update", "read"]
}

# Revoke certificates that have no lease, by their serial (profiles with revoke: serial). Off, because Vault asks
# only for the serial: whoever may do this may revoke every certificate of the mount. Better give the role
# generate_lease: true. Else name the mount; reading pki/cert/SERIAL, the proof, needs no right.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#revoke-certificate
#
# path "pki/revoke" {
#   capabilities        = ["update"]
#   required_parameters = ["serial_number"]
#   allowed_parameters = {
#     "serial_number" = []
#   }
# }
#
# See that it is no broader than this: the agent refuses a session that may read what its profiles name.
# https://developer.hashicorp.com/vault/api-docs/system/capabilities-self
path "sys/capabilities-self" {
  capabilities        = ["update"]
  required_parameters = ["paths"]
  allowed_parameters = {
    "paths" = []
  }
}

# When Vault refuses a task its secret: ask what that task's policies permit there, so that the refusal can name the
# missing line. It answers with capabilities only, for a token whose accessor is known, and comes to no secret.
# https://developer.hashicorp.com/vault/api-docs/system/capabilities-accessor
path "sys/capabilities-accessor" {
  capabilities        = ["update"]
  required_parameters = ["accessor", "paths"]
  allowed_parameters = {
    "accessor" = []
    "paths"    = []
  }
}

# The session itself. It has no default policy, so what that would give is named: renew within the leash (unrenewed,
# Vault ends it and every task token that it keeps alive), look at it, end it at exit.
# https://developer.hashicorp.com/vault/api-docs/auth/token#renew-a-token-self
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
