# Policy "tasklease-workflow-extract": a login that reads the orders.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/orders-reader" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
