# shellcheck shell=bash
# Ports: a block of 20 for every DIR, below the range that the kernel hands to
# outgoing connections. $dir/ports remembers the first port of the block, and
# a register in the cache keeps two DIRs of one user apart even while one of
# them is down.

readonly BLOCK=20
readonly SLOTS=(rabbitmq postgres s3 epmd distribution management tools)

# port SLOT prints its port; "tools" is the first of the rest of the block,
# for the distribution ports of short-lived rabbitmqctl processes.
port() {
  local slot
  for slot in "${!SLOTS[@]}"; do
    if [[ ${SLOTS[slot]} == "$1" ]]; then
      echo $(($(cat "$dir/ports") + slot))
      return
    fi
  done
  return 1
}

last_port() { echo $(($(cat "$dir/ports") + BLOCK - 1)); }

# port_free PORT: no socket of any address listens on it. State 0A is LISTEN.
port_free() {
  ! awk -v suffix="$(printf ':%04X$' "$1")" '$4 == "0A" && $2 ~ suffix { found = 1 } END { exit !found }' /proc/net/tcp*
}

block_free() {
  local slot
  for ((slot = 0; slot < ${#SLOTS[@]}; slot++)); do
    port_free $(($1 + slot)) || return 1
  done
}

cache() {
  local root=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/reos
  mkdir -p -- "$root/bin"
  printf '%s' "$root"
}

# choose_ports keeps the remembered block if it is free, else takes another.
choose_ports() {
  local base register
  register=$(cache)/ports
  base=$(cat "$dir/ports")
  exec 8>>"$register.lock"
  flock 8
  drop_dead_entries "$register"
  if [[ -z $base ]] || ! block_free "$base"; then
    [[ -z $base ]] || say "ports $base… are taken by another process: choosing new ones"
    forget_entry "$register"
    base=$(free_block "$register")
    echo "$base" >"$dir/ports"
    echo "$base $dir" >>"$register"
  fi
  exec 8>&-
}

free_block() {
  local try base
  for ((try = 0; try < 1000; try++)); do
    base=$((20000 + BLOCK * (RANDOM % 600)))
    if ! grep -q "^$base " "$1" && block_free "$base"; then
      echo "$base"
      return
    fi
  done
  unavailable "no free block of $BLOCK ports between 20000 and 32000"
}

drop_dead_entries() {
  local base owner
  touch "$1"
  while read -r base owner; do
    if [[ -f $owner/ports && $(cat "$owner/ports") == "$base" ]]; then echo "$base $owner"; fi
  done <"$1" >"$1.new"
  mv -- "$1.new" "$1"
}

forget_entry() {
  awk -v owner="$dir" 'substr($0, index($0, " ") + 1) != owner' "$1" >"$1.new"
  mv -- "$1.new" "$1"
}

release_ports() {
  local register
  register=$(cache)/ports
  exec 8>>"$register.lock"
  flock 8
  touch "$register"
  forget_entry "$register"
  exec 8>&-
}
