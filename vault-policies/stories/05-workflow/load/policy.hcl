# Policy "tasklease-workflow-load": a login that adds to the warehouse.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/warehouse-writer" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
