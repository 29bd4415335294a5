# shellcheck shell=bash
# RabbitMQ: a node with its own name, data, Erlang cookie and epmd, which
# reads nothing from /etc/rabbitmq and listens on 127.0.0.1 only.

readonly RABBITMQ_BIN=/usr/lib/rabbitmq/bin

rabbitmq_configure() {
  local home=$dir/rabbitmq
  mkdir -p -- "$home"
  if [[ ! -f $home/.erlang.cookie ]]; then
    secret >"$home/.erlang.cookie"
    chmod 400 -- "$home/.erlang.cookie"
  fi
  if [[ ! -f $home/settings ]]; then
    printf 'RABBIT_NODE=reos-%s@localhost\nRABBIT_PASSWORD=%s\n' "$(secret 4)" "$(secret)" >"$home/settings.new"
    mv -- "$home/settings.new" "$home/settings"
  fi
  if [[ $management == true ]]; then : >>"$home/management"; fi
  rabbitmq_write_conf "$home"
  rabbitmq_write_ctl "$home"
}

# The management plugin is for tenants' broker users: nothing else needs it.
# The file is what rabbitmq-plugins would write, without a start of Erlang.
rabbitmq_management() { [[ -f $dir/rabbitmq/management ]]; }

# The limits keep a test run on a busy machine from raising an alarm by accident.
rabbitmq_write_conf() {
  local RABBIT_NODE RABBIT_PASSWORD
  # shellcheck source=/dev/null
  . "$1/settings"
  cat >"$1/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$(port rabbitmq)
default_user = reos
default_pass = $RABBIT_PASSWORD
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 50MB
log.file.level = info
log.console = false
CONF
  rm -f -- "$1/enabled_plugins"
  if rabbitmq_management; then
    echo '[rabbitmq_management].' >"$1/enabled_plugins"
    # Nobody looks at statistics here, and collecting them costs time.
    cat >>"$1/rabbitmq.conf" <<CONF
management.tcp.ip = 127.0.0.1
management.tcp.port = $(port management)
management_agent.disable_metrics_collector = true
CONF
  fi
}

# rabbitmq_environment prints the whole environment of the node and its tools,
# as arguments of env: nothing of the caller's RABBITMQ_* or ERL_* gets in.
rabbitmq_environment() {
  local home=$dir/rabbitmq RABBIT_NODE RABBIT_PASSWORD
  # shellcheck source=/dev/null
  . "$home/settings"
  printf '%s\n' -i \
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 "HOME=$home" \
    "RABBITMQ_NODENAME=$RABBIT_NODE" "RABBITMQ_BASE=$home" "RABBITMQ_CONF_ENV_FILE=$home/no-env-file" \
    "RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf" "RABBITMQ_ADVANCED_CONFIG_FILE=$home/advanced.config" \
    "RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins" \
    "RABBITMQ_MNESIA_BASE=$home/data" "RABBITMQ_LOG_BASE=$home/logs" "RABBITMQ_PID_FILE=$home/node.pid" \
    "RABBITMQ_DIST_PORT=$(port distribution)" "ERL_EPMD_PORT=$(port epmd)" ERL_EPMD_ADDRESS=127.0.0.1 \
    "RABBITMQ_CTL_DIST_PORT_MIN=$(port tools)" "RABBITMQ_CTL_DIST_PORT_MAX=$(last_port)" \
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}" \
    "RABBITMQ_CTL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}"
}

rabbitmq_write_ctl() {
  local variables
  mapfile -t variables < <(rabbitmq_environment)
  {
    printf '#!/bin/sh\n# rabbitmqctl for the node of this directory.\nexec env'
    printf ' %q' "${variables[@]}" "$RABBITMQ_BIN/rabbitmqctl"
    printf ' "$@"\n'
  } >"$1/rabbitmqctl"
  chmod 700 -- "$1/rabbitmqctl"
}

# With input allowed the start script execs the Erlang machine instead of
# keeping a shell around it; -noinput takes the input away again.
rabbitmq_start() {
  local home=$dir/rabbitmq variables
  mapfile -t variables < <(rabbitmq_environment)
  spawn "$home/pid" "$home/log" env "${variables[@]}" RABBITMQ_ALLOW_INPUT=1 "$RABBITMQ_BIN/rabbitmq-server" -noinput
}

# The broker is ready when it answers an AMQP 0-9-1 header by a method frame:
# it opens the port last, after its users and queues are there.
rabbitmq_ready() {
  local first
  first=$( (
    exec 7<>"/dev/tcp/127.0.0.1/$(port rabbitmq)"
    printf 'AMQP\x00\x00\x09\x01' >&7
    timeout 2 head -c 1 <&7 | od -An -tu1
  ) 2>/dev/null) || return 1
  [[ ${first// /} == 1 ]]
}

rabbitmq_signal() { echo TERM; }

# Erlang starts epmd when it misses it, for the node as well as for
# rabbitmqctl, and leaves it running; that one has our home in its environment.
rabbitmq_stopped() {
  local process members=''
  for process in /proc/[0-9]*; do
    if [[ $(cat "$process/comm" 2>/dev/null) == epmd ]] &&
      grep -zqxF -- "HOME=$dir/rabbitmq" "$process/environ" 2>/dev/null; then
      members+=$(family "${process#/proc/}")$'\n'
    fi
  done
  if [[ -z ${members//$'\n'/} ]]; then return 0; fi
  signal_all TERM "$members"
  gone 10 "$members" || signal_all KILL "$members"
}

rabbitmq_env() {
  local RABBIT_NODE RABBIT_PASSWORD
  # shellcheck source=/dev/null
  . "$dir/rabbitmq/settings"
  printf 'export RABBITMQ_URL=amqp://reos:%s@127.0.0.1:%s/\n' "$RABBIT_PASSWORD" "$(port rabbitmq)"
  if rabbitmq_management; then
    printf 'export RABBITMQ_MANAGEMENT_URL=http://reos:%s@127.0.0.1:%s\n' "$RABBIT_PASSWORD" "$(port management)"
  fi
  printf 'export RABBITMQ_CTL=%q\n' "$dir/rabbitmq/rabbitmqctl"
}
