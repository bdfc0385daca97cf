# shellcheck shell=bash
# Fuzzers: tests/fuzz/NAME_fuzz.cc. Sourced by ./dev. What libFuzzer finds new goes into
# .tools/fuzz; what is worth keeping is copied from there into tests/fuzz/corpus by hand.

fuzzers=(caps ingest manifest pointer session settings signature)

# Writes what a fuzzer is made of, as Bazel knows it, unless that is written already.
fuzz_sources() {
  local list=.tools/fuzz/$1/sources new
  new=$(bazel query --noshow_progress \
    "labels(srcs, kind('(cc|proto)_library', deps(//tests/fuzz:$1_fuzz))) intersect //...:*" \
    2>/dev/null |
    sed -n 's,^//,,; s,:,/,; s,^/,,; /\.\(cc\|proto\)$/p' | sort)
  [[ -n $new ]] || return 1
  mkdir -p ".tools/fuzz/$1/corpus"
  [[ -e $list && $new == "$(<"$list")" ]] || echo "$new" >"$list"
}

fuzz_list() {
  local name
  for name in "$@"; do
    fuzz_sources "$name" || die "Bazel does not tell what the fuzzer $name is made of"
  done
}

# Makes fuzzers whose sources are listed.
fuzz_make() {
  make --file tools/dev/fuzz.mk --jobs="$(nproc)" --output-sync --no-print-directory NAMES="$*"
}

# Runs one fuzzer for some seconds, from the corpus that is kept.
fuzz_run() {
  local name=$1 seconds=$2
  ASAN_OPTIONS=detect_leaks=1 ".tools/fuzz/$name/fuzzer" -max_total_time="$seconds" \
    -max_len=4096 -timeout=10 -rss_limit_mb=2048 -verbosity=1 \
    -artifact_prefix=".tools/fuzz/$name/" ".tools/fuzz/$name/corpus" "tests/fuzz/corpus/$name"
}

# Whether a fuzzer, as it is now, has run for so long without a finding.
fuzz_has_passed() {
  local passed=.tools/fuzz/$1/passed
  [[ $passed -nt .tools/fuzz/$1/fuzzer && $(<"$passed") -ge $2 ]]
}

# The same as fuzz_run, into files: for xargs.
fuzz_apart() {
  local directory=.tools/fuzz/$1 status=0
  fuzz_run "$1" "$2" >"$directory/log" 2>&1 || status=$?
  echo "$status" >"$directory/status"
}

fuzz_result() {
  local directory=.tools/fuzz/$1
  cat "$directory/log"
  [[ $(<"$directory/status") == 0 ]] && echo "$2" >"$directory/passed"
}

# Runs fuzzers that are made into files, as many at once as there are processors.
# fuzz_pool SECONDS NAMES…
fuzz_pool() {
  local seconds=$1
  shift
  (($#)) || return 0
  export -f fuzz_run fuzz_apart
  printf '%s\n' "$@" | xargs --max-procs="$(nproc)" -I{} bash -c "fuzz_apart {} $seconds"
}

# Runs fuzzers that are made, as many at once as there are processors; beside those at the end that
# leave a processor free, a command. once: not those that have run so long, as they are now.
# fuzz SECONDS once|again COMMAND NAMES…
fuzz() {
  local seconds=$1 again=$2 beside=$3 name left=() full pool
  shift 3
  say "fuzzers, $seconds s each"
  for name in "$@"; do
    [[ $again == once ]] && fuzz_has_passed "$name" "$seconds" || left+=("$name")
    rm -f ".tools/fuzz/$name/"{log,status}
  done
  full=$((${#left[@]} - ${#left[@]} % $(nproc)))
  fuzz_pool "$seconds" "${left[@]:0:full}"
  fuzz_pool "$seconds" "${left[@]:full}" &
  pool=$!
  "$beside"
  wait "$pool"
  for name in "${left[@]}"; do step "fuzz $name" fuzz_result "$name" "$seconds"; done
}

# ./dev fuzz [SECONDS] [NAMES]
check_fuzz() {
  install_packages
  local seconds=60
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
  fi
  (($#)) || set -- "${fuzzers[@]}"
  fuzz_list "$@"
  step "the fuzzers" fuzz_make "$@"
  fuzz "$seconds" again : "$@"
  report
}
