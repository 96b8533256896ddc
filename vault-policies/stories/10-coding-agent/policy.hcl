# Policy "tasklease-coding-agent": two client certificates. For which names is decided by their roles (vault/pki/roles):
# the repository whose name the task's token has, and no other.

# To clone from and push to the repository.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/git" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["*.git.internal"]
    "ttl"         = []
  }
}

# To read packages, and to publish the repository's own.
# https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key
path "pki/issue/registry" {
  capabilities        = ["update"]
  required_parameters = ["common_name", "ttl"]
  allowed_parameters = {
    "common_name" = ["*.registry.internal"]
    "ttl"         = []
  }
}
