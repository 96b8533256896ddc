# Policy "tasklease-publish-once": a client certificate of the role publish, whose only name is the artifact that the
# job's assertion names (vault/pki/roles/publish.json), and nothing else.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/publish" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["*.publish.internal"]
    "ttl"         = []
  }
}
