# Policy "tasklease-backup": a login that adds to the backups (target.sql). Reading one back is another role's, which is
# not here.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/backup-writer" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
