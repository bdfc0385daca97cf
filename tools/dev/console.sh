# shellcheck shell=bash
# What ./dev says, and where long output goes. Sourced by ./dev.

say() { echo "==> $*"; }

die() {
  echo "dev: $*" >&2
  exit 1
}

# Runs a command with its output in a log that is shown only if it fails.
# quietly LOG COMMAND…
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    return 1
  fi
}
