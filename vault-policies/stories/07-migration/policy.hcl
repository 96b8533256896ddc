# Policy "tasklease-migration": a login with the rights of the owner of the schema shop. Not here, on purpose:
# database/creds/shop-admin, database/config/app with the administrator's name, and the copy of the administrator's
# password in secret/data/admin/app.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/shop-migrator" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
