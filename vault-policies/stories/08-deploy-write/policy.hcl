# Policy "tasklease-deploy-write": a login that may write the table of releases (target.sql).
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/release-writer" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
