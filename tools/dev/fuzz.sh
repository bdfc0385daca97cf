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

# Runs one fuzzer until it has had a processor for some seconds, from the corpus that is kept.
fuzz_run() {
  local name=$1
  OUTPOST_FUZZ_SECONDS=$2 ASAN_OPTIONS=detect_leaks=1 ".tools/fuzz/$name/fuzzer" \
    -max_len=4096 -timeout=60 -rss_limit_mb=2048 -verbosity=1 \
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

# Runs fuzzers that are made, as many at once as there are processors; fuzz_results has what comes
# of it. once: not those that have run so long, as they are now.
# fuzz_pool SECONDS once|again NAMES…
fuzz_pool() {
  local seconds=$1 again=$2 name left=()
  shift 2
  for name in "$@"; do
    rm -f ".tools/fuzz/$name/"{log,status}
    [[ $again == once ]] && fuzz_has_passed "$name" "$seconds" || left+=("$name")
  done
  ((${#left[@]})) || return 0
  export -f fuzz_run fuzz_apart
  printf '%s\n' "${left[@]}" |
    xargs --max-procs="$(nproc)" -I{} bash -c "fuzz_apart {} $seconds"
}

# For a CI: makes fuzzers, and runs those that have not run as they are now.
fuzz_new() {
  local seconds=$1
  shift
  fuzz_make "$@" && fuzz_pool "$seconds" once "$@"
}

# Counts fuzzers that ran.
# fuzz_results SECONDS NAMES…
fuzz_results() {
  local seconds=$1 name
  shift
  for name in "$@"; do
    [[ ! -e .tools/fuzz/$name/log ]] && fuzz_has_passed "$name" "$seconds" && continue
    step "fuzz $name" fuzz_result "$name" "$seconds"
  done
}

fuzz_result() {
  local directory=.tools/fuzz/$1
  cat "$directory/log" && [[ $(<"$directory/status") == 0 ]] && echo "$2" >"$directory/passed"
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
  say "fuzzers, each for $seconds s of a processor"
  fuzz_pool "$seconds" again "$@"
  fuzz_results "$seconds" "$@"
  report
}
