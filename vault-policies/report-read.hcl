# Policy "tasklease-report-read", for tasks of the profile report-read: a PostgreSQL login of their own with
# the rights of the database role "report" (read-only), and nothing else.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/report" {
  capabilities = ["read"]
}
