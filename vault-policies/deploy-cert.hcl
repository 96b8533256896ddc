# Policy "tasklease-deploy-cert", for tasks of the profile deploy-cert: A certificate named after the task, for one
# deployment.

# tls: a certificate. Let its PKI role say generate_lease=true: then it is revoked with the task, else nothing would
# die with it.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/app" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["*.app.internal"]
    "ttl"         = []
  }
}
