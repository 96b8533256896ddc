#!/bin/sh
# What the entry point of the official image does: a new data directory is initialised with the password, database and
# SQL files that it is given, by a server that listens on its local socket only; then the server itself.
set -eu
if [ "$(id -u)" = 0 ]; then
  chown postgres "$PGDATA"
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
  initdb --username=postgres --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  rm -f "$password"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  pg_ctl --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" start
  export PGHOST=/var/run/postgresql PGUSER=postgres
  [ "$POSTGRES_DB" = postgres ] || psql --quiet --dbname=postgres --command "create database \"$POSTGRES_DB\""
  for file in /docker-entrypoint-initdb.d/*.sql; do
    psql --quiet --set=ON_ERROR_STOP=1 --dbname="$POSTGRES_DB" --file="$file"
  done
  pg_ctl --wait --silent --mode=fast stop
fi
exec "$@" -c unix_socket_directories=/var/run/postgresql
