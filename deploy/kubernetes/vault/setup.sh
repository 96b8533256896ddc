#!/bin/sh
# What lets the agents of one cluster log in to Vault, with `kubectl` and `vault` as administrators of both. The policies
# and roles of vault-policies/README.md come first. Idempotent: repeat it after a change, or for a new reviewer's token.
#   KUBERNETES_HOST   where Vault reaches the API server; default: where kubectl does
#   AUTH_MOUNT        default kubernetes; one mount for each cluster
#   REVIEWER=none     Vault runs in this cluster with an account that may review tokens: it uses that, and no token is stored
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
policies=${POLICIES_DIR:-$here/../../../vault-policies}
mount=${AUTH_MOUNT:-kubernetes}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "setup: $*"; }

vault auth list | grep -q "^$mount/" || vault auth enable -path="$mount" kubernetes >/dev/null
if [ "${REVIEWER:-}" = none ]; then
  say "auth/$mount: Vault reviews with its own pod's token"
  vault write "auth/$mount/config" kubernetes_host="${KUBERNETES_HOST:-https://kubernetes.default.svc}" >/dev/null
else
  kubectl apply -f "$here/reviewer.yaml" >/dev/null
  # $1: a key of the reviewer's Secret. The cluster fills it in a moment after the Secret was made.
  key_of_secret() {
    kubectl --namespace vault-auth get secret vault-reviewer --output "go-template={{index .data \"$1\" | base64decode}}"
  }
  tries=0
  until key_of_secret token >"$scratch/token" 2>/dev/null && grep -q . "$scratch/token"; do
    tries=$((tries + 1))
    if [ "$tries" -ge 60 ]; then
      echo "setup: the Secret vault-reviewer in vault-auth got no token. Does the controller manager run?" >&2
      exit 1
    fi
    sleep 0.5
  done
  key_of_secret ca.crt >"$scratch/ca.crt"
  host=${KUBERNETES_HOST:-$(kubectl config view --minify --output 'jsonpath={.clusters[0].cluster.server}')}
  say "auth/$mount: Vault asks $host whether tokens are good, as vault-auth/vault-reviewer"
  vault write "auth/$mount/config" kubernetes_host="$host" "kubernetes_ca_cert=@$scratch/ca.crt" \
    "token_reviewer_jwt=@$scratch/token" disable_local_ca_jwt=true >/dev/null
fi
vault write "auth/$mount/role/tasklease-agent" "@$policies/kubernetes-role.json" >/dev/null
say "done: the account of kubernetes-role.json may log in as tasklease-agent"
