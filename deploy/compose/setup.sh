#!/bin/sh
# What a Vault administrator does for tasklease, with the vault command and the files of vault-policies/.
# Idempotent: repeat it after Vault restarted (it unseals), after a change of policies, or for a new secret id.
# Variables: VAULT_ADDR, POSTGRES_PASSWORD; the others have the values of docker-compose.yml.
set -eu
umask 077
keys=${KEYS_DIR:-/keys}              # unseal key and root token; a demo has no better place
login=${LOGIN_DIR:-/login}           # what the agent logs in with
policies=${POLICIES_DIR:-/vault-policies}
postgres=${POSTGRES_ADDRESS:-postgres:5432}
agent_owner=${AGENT_OWNER:-10001:10001}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "setup: $*"; }

# $1: what is waited for; the rest: a command that succeeds once it is so.
until_ready() {
  what=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ]; then
      echo "setup: $what, not within a minute. Look at Vault's log." >&2
      exit 1
    fi
    sleep 0.5
  done
}

# 0: unsealed, 2: sealed or new, 1: no answer
answers() {
  code=0
  vault status || code=$?
  [ "$code" -ne 1 ]
}

until_ready "Vault at $VAULT_ADDR answers" answers
if ! vault operator init -status >/dev/null 2>&1; then
  say "Vault is new: one unseal key (a demo; real ones are split among people or held by a KMS)"
  vault operator init -key-shares=1 -key-threshold=1 >"$keys/init"
fi
if ! vault status >/dev/null 2>&1; then
  say "unsealing"
  sed -n 's/^Unseal Key 1: //p' "$keys/init" | tr -d '\n' >"$scratch/key"
  vault write sys/unseal "key=@$scratch/key" >/dev/null
fi
# In the environment of this short-lived process only: the vault command takes it from nowhere better.
VAULT_TOKEN=$(sed -n 's/^Initial Root Token: //p' "$keys/init")
export VAULT_TOKEN
until_ready "Vault is unsealed and takes requests" vault token lookup

say "policies and roles of vault-policies/"
for file in "$policies"/*.hcl; do
  vault policy write "tasklease-$(basename "$file" .hcl)" "$file" >/dev/null
done
vault write auth/token/roles/tasklease-session "@$policies/session-role.json" >/dev/null
vault write auth/token/roles/tasklease "@$policies/token-role.json" >/dev/null

say "database engine: role \"report\" on $postgres"
vault secrets list | grep -q '^database/' || vault secrets enable database >/dev/null
printf '%s' "$POSTGRES_PASSWORD" >"$scratch/password"
vault write database/config/sample \
  plugin_name=postgresql-database-plugin allowed_roles=report \
  connection_url="postgresql://{{username}}:{{password}}@$postgres/${POSTGRES_DATABASE:-app}?sslmode=disable" \
  username=postgres "password=@$scratch/password" password_authentication=scram-sha-256 >/dev/null
# Valid until: should Vault be lost, the login still ends. Revocation also ends sessions that are still open.
vault write database/roles/report db_name=sample default_ttl=1h max_ttl=24h \
  creation_statements="create role \"{{name}}\" login password '{{password}}' valid until '{{expiration}}' in role report_reader" \
  revocation_statements="select pg_terminate_backend(pid) from pg_stat_activity where usename = '{{name}}'" \
  revocation_statements="drop role if exists \"{{name}}\"" >/dev/null

say "the agent's login (AppRole)"
vault auth list | grep -q '^approle/' || vault auth enable approle >/dev/null
vault write auth/approle/role/tasklease "@$policies/approle.json" >/dev/null
vault read -field=role_id auth/approle/role/tasklease/role-id >"$login/role-id.new"
vault write -force -field=secret_id auth/approle/role/tasklease/secret-id >"$login/secret-id.new"
for name in role-id secret-id; do
  chmod 0400 "$login/$name.new"
  chown "$agent_owner" "$login/$name.new"
  mv "$login/$name.new" "$login/$name" # a rename: the agent never reads half a file
done
say "done"
