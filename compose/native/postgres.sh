# shellcheck shell=bash
# Postgres: a cluster of its own on TCP loopback with scram passwords. The
# durability settings are the server's defaults: fsync stays on.

# postgres_bin prints the newest installed server's directory, or nothing.
postgres_bin() {
  local candidate
  while read -r candidate; do
    if [[ -x $candidate/initdb ]]; then
      echo "$candidate"
      return
    fi
  done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr)
}

# postgres_user prints who runs the server: initdb and postgres refuse root.
postgres_user() {
  if ! as_root; then
    id -un
  elif id postgres >/dev/null 2>&1; then
    echo postgres
  else
    echo nobody
  fi
}

# as_postgres runs a command as that user with a clean environment. Both env
# and setpriv exec, so that a daemon's pid stays the server's.
as_postgres() { "${POSTGRES_AS[@]}" "$@"; }

postgres_identity() {
  POSTGRES_AS=(env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8)
  if as_root; then
    local user
    user=$(postgres_user)
    POSTGRES_AS+=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups --inh-caps=-all)
  fi
}

postgres_configure() {
  local home=$dir/postgres
  postgres_identity
  mkdir -p -- "$home"
  if [[ -f $home/settings ]]; then return; fi
  say "creating a Postgres cluster in $home"
  local superuser_password app_password data version
  superuser_password=$(secret) app_password=$(secret) version=$(postgres_bin)
  data=$(postgres_place "$home")
  postgres_initdb "$data" "$superuser_password"
  printf '%s=%q\n' PG_DATA "$data" PG_BIN "$version" PG_PASSWORD "$superuser_password" APP_PASSWORD "$app_password" \
    >"$home/settings.new"
  mv -- "$home/settings.new" "$home/settings"
}

# postgres_place prints an empty directory that the server's user can reach.
# DIR may lie below a home that only root may enter; then the data goes
# elsewhere. DIR is opened to that user's group for passing through, no more.
postgres_place() {
  local data=$1/data user
  if as_root; then
    user=$(postgres_user)
    chgrp -- "$(id -g "$user")" "$dir" "$1"
    chmod 710 -- "$dir" "$1"
    (cd / && as_postgres test -x "$1") || data=$(mktemp -d /var/tmp/reos-postgres.XXXXXXXX)
  fi
  rm -rf -- "$data"
  mkdir -m 700 -- "$data"
  if as_root; then chown "$user:" "$data"; fi
  printf '%s' "$data"
}

postgres_initdb() {
  local data=$1 password=$1.password
  printf '%s\n' "$2" >"$password"
  if as_root; then chown "$(postgres_user):" "$password"; fi
  (
    cd /
    as_postgres "$(postgres_bin)/initdb" --pgdata="$data" --username=postgres --pwfile="$password" \
      --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    as_postgres "$(postgres_bin)/postgres" --single -D "$data" postgres <<<'CREATE DATABASE reos'
  ) >>"$dir/postgres/log" 2>&1 || {
    rm -f -- "$password"
    not_ready postgres "could not create its cluster"
  }
  rm -f -- "$password"
}

postgres_settings() {
  postgres_identity
  # shellcheck source=/dev/null
  . "$dir/postgres/settings"
}

postgres_start() {
  local PG_DATA PG_BIN PG_PASSWORD APP_PASSWORD
  postgres_settings
  postgres_drop_stale_lock "$PG_DATA"
  spawn "$dir/postgres/pid" "$dir/postgres/log" "${POSTGRES_AS[@]}" "$PG_BIN/postgres" -D "$PG_DATA" \
    -c listen_addresses=127.0.0.1 -c "port=$(port postgres)" -c unix_socket_directories= -c max_connections=200
}

# A killed server leaves postmaster.pid behind. Postgres itself takes it for
# live while its process is an unreaped zombie, as in a container without an
# init; so drop it here, once no process works in the data directory any more.
postgres_drop_stale_lock() {
  local lock=$1/postmaster.pid deadline=$((SECONDS + 10))
  if ! [[ -f $lock ]] || started_at "$(head -n 1 "$lock")" >/dev/null; then return 0; fi
  while readlink /proc/[0-9]*/cwd 2>/dev/null | grep -qxF -- "$1"; do
    [[ $SECONDS -le $deadline ]] || unavailable "processes of a killed Postgres still work in $1"
    sleep 0.1
  done
  rm -f -- "$lock"
}

postgres_ready() {
  local PG_DATA PG_BIN PG_PASSWORD APP_PASSWORD
  postgres_settings
  "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$(port postgres)" -U postgres -d reos
}

# SIGINT is Postgres's fast shutdown: it ends the sessions and checkpoints.
postgres_signal() { echo INT; }

postgres_stopped() { :; }

postgres_forget() {
  local PG_DATA PG_BIN PG_PASSWORD APP_PASSWORD
  postgres_settings
  rm -rf -- "$PG_DATA"
}

postgres_env() {
  local PG_DATA PG_BIN PG_PASSWORD APP_PASSWORD at
  postgres_settings
  at="127.0.0.1:$(port postgres)/reos?sslmode=disable"
  printf 'export DATABASE_ADMIN_URL=%q\n' "postgres://postgres:$PG_PASSWORD@$at"
  printf 'export DATABASE_URL=%q\n' "postgres://reos_app:$APP_PASSWORD@$at"
}
