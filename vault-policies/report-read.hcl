# Policy "tasklease-report-read", for tasks of the profile report-read: Read-only access to the report database for
# one run.

# db: a database login of the task's own.
# https://developer.hashicorp.com/vault/api-docs/secret/databases#generate-credentials
path "database/creds/report" {
  capabilities = ["read"]
  denied_parameters = {
    "*" = []
  }
}
