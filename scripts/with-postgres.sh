#!/usr/bin/env bash
# Runs a command with FANION_TEST_POSTGRES pointing to a PostgreSQL server of its own: a fresh cluster in a
# temporary folder, on a Unix socket and a free loopback port, stopped and removed afterwards.
#
#   scripts/with-postgres.sh npx vitest run src/store
set -euo pipefail

bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)" 2>/dev/null || true)
if [ -z "$bin" ] || [ ! -x "$bin/initdb" ]; then
  bin=$(dirname "$(command -v initdb 2>/dev/null || echo /missing/initdb)")
fi
if [ ! -x "$bin/initdb" ]; then
  echo "with-postgres: no PostgreSQL server found (Debian: apt-get install postgresql)" >&2
  exit 1
fi

dir=$(mktemp -d /tmp/fanion-postgres.XXXXXX)
port=$(node -e "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})")
# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
  id postgres >/dev/null 2>&1 || useradd --system postgres
  chown postgres "$dir"
  as() { su postgres -s /bin/bash -c "cd '$dir' && $1"; }
else
  as() { (cd "$dir" && bash -c "$1"); }
fi
stop() {
  as "'$bin/pg_ctl' -D '$dir/data' -m immediate -s stop" >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap stop EXIT

as "'$bin/initdb' -D '$dir/data' -U fanion -A trust -E UTF8 --locale=C" >/dev/null
as "'$bin/pg_ctl' -D '$dir/data' -s -w -l '$dir/log' -o '-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$dir -c max_connections=200' start" >/dev/null
export FANION_TEST_POSTGRES="postgres://fanion@127.0.0.1:$port/postgres"
"$@"
