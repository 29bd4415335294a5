# shellcheck shell=bash
# Processes that outlive the script, and the ports they listen on.
#
# A pid file holds "PID START BOOT": the start time and boot id tell our
# process from a later one that was given the same pid, so that nothing is
# ever signalled that this script did not start.

say() { printf 'services: %s\n' "$*" >&2; }

wrong() {
  say "$*"
  say "see compose/services --help"
  exit 2
}

unavailable() {
  say "$*"
  exit 3
}

# started_at PID prints the start time of a live process; fails for a dead or
# a zombie one. The first thread of a killed process is a zombie already while
# the others are still ending, and hold its ports until then.
# The name in /proc/PID/stat may hold spaces and parentheses.
started_at() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z || ${fields[17]} -gt 1 ]] && printf '%s' "${fields[19]}"
}

# same PID START: the process with that start time lives.
same() { [[ -n ${2:-} && $(started_at "$1") == "$2" ]]; }

alive() {
  local pid start boot
  read -r pid start boot 2>/dev/null <"$1" || return 1
  [[ $boot == "$(cat /proc/sys/kernel/random/boot_id)" ]] && same "$pid" "$start"
}

running() { [[ -f $dir/$1/pid ]] && alive "$dir/$1/pid"; }

pid_of() { cut -d' ' -f1 "$dir/$1/pid"; }

any_running() {
  local name
  for name in "${ALL[@]}"; do
    if running "$name"; then return 0; fi
  done
  return 1
}

# spawn PIDFILE LOG COMMAND… starts a daemon in a session of its own. COMMAND
# must exec its way to the server, so that the recorded pid stays the server's.
# The daemon records itself before it becomes one: interrupting this script at
# any point leaves nothing that `down` could not find.
spawn() {
  local pidfile=$1 log=$2
  shift 2
  rm -f -- "$pidfile"
  (
    cd /
    record "$BASHPID" >"$pidfile"
    exec setsid "$@" </dev/null >>"$log" 2>&1 9>&-
  ) &
  until [[ -s $pidfile ]]; do sleep 0.01; done
}

record() { printf '%s %s %s\n' "$1" "$(started_at "$1")" "$(cat /proc/sys/kernel/random/boot_id)"; }

# family PID prints "PID START" of a process and all its descendants.
family() {
  local queue=("$1") pid start
  while [[ ${#queue[@]} -gt 0 ]]; do
    pid=${queue[0]}
    queue=("${queue[@]:1}")
    start=$(started_at "$pid") || continue
    printf '%s %s\n' "$pid" "$start"
    mapfile -t -O "${#queue[@]}" queue < <(children "$pid")
  done
}

children() {
  cat /proc/[0-9]*/stat 2>/dev/null | sed -nE "s/^([0-9]+) \\(.*\\) [A-Z] $1 .*/\\1/p"
}

# terminate PIDFILE SIGNAL ends the process and waits for it and for all its
# descendants. What has not gone after 30 s is killed, as is everything at
# once when SIGNAL is KILL.
terminate() {
  local pidfile=$1 signal=$2 members
  if ! [[ -f $pidfile ]] || ! alive "$pidfile"; then
    rm -f -- "$pidfile"
    return 0
  fi
  members=$(family "$(cut -d' ' -f1 "$pidfile")")
  if [[ $signal == KILL ]]; then
    signal_all KILL "$members"
  else
    kill -s "$signal" "$(cut -d' ' -f1 "$pidfile")"
  fi
  if ! gone 30 "$members"; then
    signal_all KILL "$members"
    gone 10 "$members" || unavailable "process of $pidfile cannot be ended"
  fi
  rm -f -- "$pidfile"
}

signal_all() {
  local pid start
  while read -r pid start; do
    if same "$pid" "$start"; then kill -s "$1" "$pid" 2>/dev/null || true; fi
  done <<<"$2"
}

gone() {
  local deadline=$((SECONDS + $1)) pid start left
  while [[ $SECONDS -le $deadline ]]; do
    left=false
    while read -r pid start; do
      if same "$pid" "$start"; then left=true; fi
    done <<<"$2"
    if [[ $left == false ]]; then return 0; fi
    sleep 0.05
  done
  return 1
}

# await NAME returns once the service answers. A process that ended, or no
# answer in time, is an error with the end of its log.
await() {
  local deadline=$((SECONDS + ${SERVICES_TIMEOUT:-60}))
  until "${1}_ready"; do
    running "$1" || not_ready "$1" "ended while starting"
    [[ $SECONDS -le $deadline ]] || not_ready "$1" "was not ready after ${SERVICES_TIMEOUT:-60} s"
    sleep 0.1
  done
}

not_ready() {
  tail -n 25 "$dir/$1/log" | sed "s/^/$1: /" >&2 || true
  unavailable "$1 $2; its log is $dir/$1/log"
}

secret() { head -c "${1:-24}" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

as_root() { [[ $EUID -eq 0 ]]; }
