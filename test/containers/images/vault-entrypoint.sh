#!/bin/sh
# What the entry point of HashiCorp's image does with `server`: the configuration from the environment, the data
# directory given to the user vault, and that user's rights only.
set -e
[ "$1" = server ] || exec vault "$@"
[ -z "$VAULT_LOCAL_CONFIG" ] || printf '%s\n' "$VAULT_LOCAL_CONFIG" >/vault/config/local.json
chown -R vault:vault /vault/file
shift
exec setpriv --reuid=vault --regid=vault --init-groups vault server -config=/vault/config "$@"
