# Policy "tasklease-deploy-cert", for tasks of the profile deploy-cert: one client certificate from the PKI role
# "app". The role says generate_lease=true, so the certificate is revoked with the task's lease; without it
# nothing would die with the task. Only the name and the duration may be chosen.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/app" {
  capabilities        = ["update"]
  required_parameters = ["common_name"]
  allowed_parameters = {
    "common_name" = ["*.app.internal"]
    "ttl"         = []
  }
}
