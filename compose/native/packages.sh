# shellcheck shell=bash
# Installing what is missing: Debian packages through apt-get, versitygw
# through the Go toolchain.

readonly VERSITYGW_VERSION=v1.8.0

install_rabbitmq() { [[ -x $RABBITMQ_BIN/rabbitmq-server ]] || apt_install rabbitmq-server; }

install_postgres() { [[ -n $(postgres_bin) ]] || apt_install postgresql; }

install_cc() { command -v "${CC:-gcc}" >/dev/null || apt_install gcc libc6-dev; }

# Debian's package of Prometheus brings promtool with it, that of Alertmanager amtool.
install_prometheus() {
  if ! command -v promtool || ! command -v prometheus-alertmanager; then apt_install prometheus prometheus-alertmanager; fi >/dev/null
}

# The browser that the console is tested in.
install_chromium() { command -v chromium >/dev/null || apt_install chromium; }

install_s3() { versitygw >/dev/null || build_versitygw; }

# apt_install never starts a daemon: a policy-rc.d that denies it is put in
# place for the time of the installation, unless the machine has one already.
apt_install() {
  local become=()
  command -v apt-get >/dev/null || unavailable "install $* yourself: this machine has no apt-get"
  if ! as_root; then
    command -v sudo >/dev/null || unavailable "not installed: $*; run as root: apt-get install $*"
    become=(sudo)
  fi
  say "installing $* (apt-get)"
  "${become[@]}" sh -s -- "$@" >&2 <<'ROOT' || unavailable "apt-get could not install $*"
    set -eu
    umask 022
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap 'rm -f "$policy"' EXIT
      trap 'exit 1' HUP INT TERM
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }
    apt install -y --no-install-recommends "$@" 2>/dev/null ||
      { apt update && apt install -y --no-install-recommends "$@"; }
ROOT
}

# versitygw prints the binary to use; it fails if there is none yet.
versitygw() {
  local built
  if [[ -n ${VERSITYGW:-} ]]; then
    [[ -x $VERSITYGW ]] || unavailable "VERSITYGW=$VERSITYGW is not an executable file"
    readlink -f "$VERSITYGW"
    return
  fi
  type -P versitygw && return
  built=$(cache)/bin/versitygw-$VERSITYGW_VERSION
  [[ -x $built ]] && echo "$built"
}

# build_versitygw builds it once for all DIRs of the user; a second caller
# waits for the first.
build_versitygw() {
  local bin
  bin=$(cache)/bin
  command -v go >/dev/null || unavailable "versitygw is not installed, and there is no Go toolchain to build it"
  exec 8>"$bin/lock"
  flock 8
  if ! versitygw >/dev/null; then
    say "building versitygw $VERSITYGW_VERSION, once (a minute or two)"
    mkdir -p -- "$bin/new"
    (
      cd /
      GOBIN=$bin/new go install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION" 8>&- 9>&-
    ) >&2 || unavailable "versitygw could not be built"
    mv -- "$bin/new/versitygw" "$bin/versitygw-$VERSITYGW_VERSION"
    rmdir -- "$bin/new"
  fi
  exec 8>&-
}
