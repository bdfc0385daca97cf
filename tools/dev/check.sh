# shellcheck shell=bash
# Tests and lint. Sourced by ./dev.

passed=0
failed=0

# Runs one check and counts it; its output is shown only if it fails. (Functions
# that are checks join their commands by &&: under an `if` there is no set -e.)
# step NAME COMMAND…
step() {
  local name=$1 start=$SECONDS
  shift
  local log=".tools/log/${name// /-}.log"
  if (quietly "$log" "$@"); then # in a subshell: a check may cd, and may die
    echo "  ok    $name ($((SECONDS - start)) s)"
    passed=$((passed + 1))
  else
    echo "  FAIL  $name ($((SECONDS - start)) s); all of it is in $log"
    failed=$((failed + 1))
  fi
}

# Begins a check whose result is wanted later, with the processors' time that everything else
# leaves: meanwhile tests wait for this and that. It is a function of ours, in a ./dev of its own.
# begin_beside NAME FUNCTION ARGUMENTS…
declare -A begun=()
begin_beside() {
  local name=$1 log=".tools/log/${1// /-}.beside.log"
  shift
  # In a session of its own: it ends with all that it has started.
  setsid ./dev beside "$@" >"$log" 2>&1 </dev/null &
  begun[$name]=$!
  trap end_all_beside EXIT
}

# What that ./dev does.
run_beside() {
  chrt --idle --pid 0 "$$"
  # Linux divides the processors between sessions first, and by nice only within each.
  [[ ! -e /proc/self/autogroup ]] || echo 19 >/proc/self/autogroup
  "$@"
}

# Waits for it, and counts it.
# end_beside NAME
end_beside() {
  local status=0
  wait "${begun[$1]}" || status=$?
  unset "begun[$1]"
  step "$1" result_beside "$1" "$status"
}

result_beside() {
  cat ".tools/log/${1// /-}.beside.log"
  return "$2"
}

end_all_beside() {
  local pid
  for pid in "${begun[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
}

# Our files with these endings. (Not `git ls-files`: a checkout may be a tarball.)
our_files() {
  local ending expression=()
  for ending in "$@"; do expression+=(-o -name "*$ending"); done
  find . \( -name 'bazel-*' -o -name '.?*' \) -prune -o -type f \( "${expression[@]:1}" \) -print0
}

# Runs a set of Bazel tests and counts each.
# bazel_tests NAME ARGUMENTS…
bazel_tests() {
  local name=$1 start=$SECONDS counts status=0
  shift
  local events=.tools/log/${name// /-}.events.json
  mkdir -p .tools/log
  rm -f "$events"
  say "$name: bazel test $*"
  bazel test "${bazel_flags[@]}" --keep_going --local_test_jobs=2 --test_summary=terse \
    --build_event_json_file="$events" "$@" || status=$?
  counts=$(tools/count_tests.py "$events" "$status") || counts="0 1"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  echo "  ${counts% *} passed, ${counts#* } failed: $name ($((SECONDS - start)) s)"
}

# For a CI: the last line, alone.
report() {
  echo "$passed passed, $failed failed"
  ((failed == 0))
}

# Wire compatibility with the last commit of main.
proto_breaking() {
  local tree=.tools/proto-of-main
  rm -rf "$tree" &&
    mkdir -p "$tree" &&
    git -c safe.directory="$root" archive "$1" proto | tar -x -C "$tree" &&
    "$venv/bin/buf" breaking proto --against "$tree/proto"
}

main_with_protos() {
  local commit
  for commit in main origin/main; do
    if git -c safe.directory="$root" cat-file -e "$commit:proto/buf.yaml" 2>/dev/null; then
      echo "$commit"
      return
    fi
  done
  return 1
}

# A module in a workspace that is not ours: what it takes from ours is found there, and GCC compiles
# it. The SDK itself is not compiled once more; the module is linked and tested with our own.
outside_workspace() {
  cd sdk/cpp/examples/workspace &&
    bazel --output_base="$root/.tools/outside" build --noshow_progress \
      --output_groups=compilation_outputs //:dice //:dice_module &&
    bazel --output_base="$root/.tools/outside" shutdown
}

lint_format() {
  our_files .cc .h |
    xargs -0 --max-args=50 --max-procs="$(nproc)" clang-format --dry-run -Werror
}

lint_go() { test -z "$(our_files .go | xargs -0 /usr/bin/gofmt -l | tee /dev/stderr)"; }

lint_types() {
  local tree=$root/.tools/python
  stage_python "$(bazel info bazel-bin 2>/dev/null)" "$tree" &&
  cd "$tree" && "$root/$venv/bin/mypy" --strict --cache-dir "$root/.tools/mypy" \
    --config-file "$root/sdk/python/pyproject.toml" .
}

lint_shell() {
  shellcheck --external-sources --check-sourced dev .ci/run
}

# All checks but clang-tidy. The Python SDK must be built.
lint() {
  say "lint"
  local main
  step "buf lint" "$venv/bin/buf" lint proto
  step "buf format" "$venv/bin/buf" format --diff --exit-code proto
  if main=$(main_with_protos); then
    step "buf breaking" proto_breaking "$main"
  else
    echo "  --    buf breaking: there is no main with protos to compare with"
  fi
  step "clang-format" lint_format
  step "gofmt" lint_go
  step "ruff check" "$venv/bin/ruff" check --quiet .
  step "ruff format" "$venv/bin/ruff" format --quiet --diff .
  step "mypy" lint_types
  step "shellcheck" lint_shell
}

lint_tidy() {
  local files=("$@")
  build //...
  say "clang-tidy"
  tools/compile_commands.py
  ((${#files[@]})) || mapfile -d '' files < <(our_files .cc)
  step "clang-tidy" tidy_files "${files[@]}"
}

tidy_files() {
  printf '%s\0' "$@" |
    xargs -0 --max-args=1 --max-procs="$(nproc)" clang-tidy --quiet -p .
}

check_lint() {
  install_packages
  if [[ ${1:-} == --tidy ]]; then
    shift
    lint_tidy "$@"
  else
    (($# == 0)) || die "lint knows --tidy, not $*"
    install_tools
    build //sdk/python/...
    lint
  fi
  report
}

format() {
  say "formatting"
  our_files .cc .h | xargs -0 clang-format -i
  our_files .go | xargs -0 /usr/bin/gofmt -w
  "$venv/bin/ruff" check --quiet --select I --fix .
  "$venv/bin/ruff" format --quiet .
  "$venv/bin/buf" format --write proto
}

# The C++ tests, and those of faults, in builds with ASan and UBSan, and with TSan. Each
# compiles nearly all there is once more, which is why it is not part of every test.
check_sanitizers() {
  local sanitizer
  for sanitizer in asan tsan; do
    bazel_tests "tests with $sanitizer" --config=$sanitizer --build_tests_only \
      --test_lang_filters=cc --test_tag_filters=-no-$sanitizer //...
    # These are not in C++, but the programs that they try hard are.
    bazel_tests "fault tests with $sanitizer" --config=$sanitizer --build_tests_only \
      --test_tag_filters=-no-$sanitizer //tests/fault/...
  done
}

check_test() {
  install_packages
  case ${1:-} in
    '')
      install_tools
      mkdir -p .tools/log
      fuzz_list "${fuzzers[@]}"
      # ./dev fuzz runs them for longer.
      begin_beside "the fuzzers, each for 60 s of a processor" fuzz_new 60 "${fuzzers[@]}"
      bazel_tests "tests" //...
      conformance_steps
      say "what the documents tell"
      step "ceph-mgr-parity.md" tools/check_parity.py docs/ceph-mgr-parity.md \
        "$(bazel info bazel-testlogs 2>/dev/null)"
      step "writing-a-module.md" run_document docs/writing-a-module.md
      step "reporting-daemons.md" run_document docs/reporting-daemons.md
      step "writing-a-module-without-an-sdk.md" \
        run_document docs/writing-a-module-without-an-sdk.md
      step "a module in another workspace" outside_workspace
      lint
      say "what began beside the tests"
      end_beside "the fuzzers, each for 60 s of a processor"
      fuzz_results 60 "${fuzzers[@]}"
      ;;
    --sanitizers) check_sanitizers ;;
    *) bazel_tests "tests" "$@" ;;
  esac
  report
}
