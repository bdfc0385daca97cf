# shellcheck shell=bash
# A manager in the background, for trying things out. Sourced by ./dev.

state=$root/.outpost
outpostd=$state/bin/outpostd
pid_file=$state/run/outpostd.pid
initial_modules=(hello hello_cpp status iostat)
readonly start_seconds=15 stop_seconds=15

# Where the socket is. The kernel allows its path 107 characters.
run_directory() {
  local directory=$state/run
  if ((${#directory} + ${#socket_name} > 106)); then
    directory=${XDG_RUNTIME_DIR:-/tmp}/outpost-$(id -u)-$(cksum <<<"$root" | cut -d' ' -f1)
  fi
  echo "$directory"
}
readonly socket_name=outpost.sock

# The process that up started, if it still runs; a process that got its number
# later is not taken for it.
running_pid() {
  local pid
  [[ -r $pid_file ]] && pid=$(<"$pid_file") || return
  [[ $pid =~ ^[0-9]+$ ]] || return
  local exe
  exe=$(readlink "/proc/$pid/exe") || return
  [[ ${exe% (deleted)} == "$outpostd" ]] || return
  echo "$pid"
}

# within SECONDS COMMAND…: tries the command until it works or the time is over.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

outpost() { "$state/bin/outpost" "$@"; }

# Whether the manager with this pid answers, or is dead and never will.
answers_or_ended() { outpost --timeout 5 status >/dev/null 2>&1 || ! kill -0 "$1" 2>/dev/null; }

server_start() {
  local run=$1 pid
  shift
  mkdir -p "$state/data" "$state/log" "$state/run"
  (umask 077 && mkdir -p "$run")
  say "starting outpostd (log: .outpost/log/outpostd.log)"
  setsid "$outpostd" \
    --data-dir "$state/data" \
    --run-dir "$run" \
    --module-path "$state/share/outpost/modules" \
    --module-path "$root/my_modules" \
    --python-path "$state/lib/outpost/python" \
    --log-file "$state/log/outpostd.log" \
    --source sim \
    --initial-modules "$(IFS=, && echo "${initial_modules[*]}")" \
    "$@" </dev/null >"$state/log/outpostd.out" 2>&1 &
  pid=$!
  echo "$pid" >"$pid_file"
  if ! within $start_seconds answers_or_ended "$pid" || ! running_pid >/dev/null; then
    # Before it has a log, outpostd speaks to standard error.
    tail -n 20 "$state/log/outpostd.log" "$state/log/outpostd.out" >&2 || true
    if running_pid >/dev/null; then
      server_down
      die "outpostd did not answer within $start_seconds s; its last words are above"
    fi
    rm -f "$pid_file"
    die "outpostd ended at once; its last words are above"
  fi
}

try_outpost() { outpost "$@" 2>"$state/log/up.err"; }

# Shows a command and what it prints. A module may still be starting.
show() {
  echo "\$ outpost $*"
  within $start_seconds try_outpost "$@" || {
    cat "$state/log/up.err" >&2
    die "\"outpost $*\" still fails after $start_seconds s; why: $state/bin/outpost module ls"
  }
}

server_up() {
  local run pid modules
  run=$(run_directory)
  export OUTPOST_ADDRESS=unix:$run/$socket_name
  if pid=$(running_pid); then
    say "outpostd is already running (pid $pid); ./dev down, then up, takes new code and flags"
  else
    install_packages
    mapfile -t modules < <(shipped_modules)
    build -c opt //server:outpostd //cli:outpost //sdk/python:run "${modules[@]/#///modules/}"
    say "staging into .outpost"
    stage "$state" -c opt
    [[ $run == "$state/run" ]] ||
      say "the path of this checkout is too long for a socket: it is in $run"
    server_start "$run" "$@"
    say "outpostd runs (pid $(running_pid))"
  fi
  show hello
  show hello-cpp
  cat <<TEXT

Try, in this shell:
  export PATH=$state/bin:\$PATH OUTPOST_ADDRESS=$OUTPOST_ADDRESS
  outpost status
  outpost osd status
  outpost module ls
  outpost osd set noout
  outpost notify              # in another terminal, then set and unset noout
  outpost iostat              # until ^C
  outpost --help
and in the end:
  ./dev down
TEXT
}

ended() { ! running_pid >/dev/null; }

server_down() {
  local pid
  if ! pid=$(running_pid); then
    rm -f "$pid_file"
    say "no manager of ./dev up runs"
    return
  fi
  say "stopping outpostd (pid $pid)"
  kill -TERM "$pid" 2>/dev/null || true
  if ! within $stop_seconds ended; then
    say "outpostd did not stop within $stop_seconds s: killing it"
    kill -KILL "$pid" 2>/dev/null || true
    within $stop_seconds ended || die "outpostd (pid $pid) can't be killed"
  fi
  rm -f "$pid_file"
  say "stopped"
}
