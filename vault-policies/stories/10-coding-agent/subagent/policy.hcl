# Policy "tasklease-coding-agent-subagent": a client certificate of the one name that the registry lets read only.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/registry-read" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["reader.registry.internal"]
    "ttl"         = []
  }
}
