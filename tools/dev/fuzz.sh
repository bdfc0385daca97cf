# shellcheck shell=bash
# Fuzzers: tests/fuzz/NAME_fuzz.cc, built by clang with libFuzzer, ASan and UBSan. Sourced by
# ./dev. What libFuzzer finds new goes into .tools/fuzz; what is worth keeping is copied from
# there into tests/fuzz/corpus by hand.

fuzzers=(caps signature pointer settings manifest)

# The sources that a fuzzer is made of, beside its own.
fuzz_sources() {
  case $1 in
    caps) echo server/auth/caps.cc server/text/nearest.cc ;;
    signature)
      echo server/command/signature.cc server/command/signature_object.cc \
        server/command/signature_words.cc server/command/parameter.cc \
        server/command/address_syntax.cc server/command/char_class.cc \
        server/command/cli_literals.cc server/text/nearest.cc
      ;;
    pointer) echo server/cluster/structure_index.cc server/cluster/json_scan.cc ;;
    settings)
      echo server/settings.cc server/module/process_policy.cc server/text/nearest.cc \
        server/text/toml_file.cc server/text/toml_words.cc
      ;;
    manifest)
      echo server/module/installed_modules.cc server/module/process_policy.cc server/auth/caps.cc \
        server/text/nearest.cc server/text/toml_file.cc server/text/toml_words.cc
      ;;
  esac
}

# Builds one fuzzer, where it is older than its sources.
fuzz_build() {
  local name=$1 out=.tools/fuzz/$1/fuzzer sources source
  read -ra sources < <(fuzz_sources "$name")
  sources+=("tests/fuzz/${name}_fuzz.cc")
  mkdir -p ".tools/fuzz/$name/corpus"
  for source in "${sources[@]}" "${sources[@]/%.cc/.h}"; do
    [[ -e $source && (! -e $out || $source -nt $out) ]] || continue
    # shellcheck disable=SC2046 # pkg-config gives words
    # toml++ 3.3 calls code unreachable that letters beyond ASCII reach, and goes on as it should.
    clang++-14 -std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize=unreachable \
      -I. "${sources[@]}" -o "$out" \
      $(pkg-config --libs absl_flat_hash_map absl_hash absl_statusor absl_strings absl_str_format \
        absl_status absl_time)
    return
  done
}

# Runs one fuzzer for some seconds, from the corpus that is kept.
fuzz_run() {
  local name=$1 seconds=$2
  fuzz_build "$name" &&
    ASAN_OPTIONS=detect_leaks=1 ".tools/fuzz/$name/fuzzer" -max_total_time="$seconds" \
      -max_len=4096 -timeout=10 -rss_limit_mb=2048 -verbosity=1 \
      -artifact_prefix=".tools/fuzz/$name/" ".tools/fuzz/$name/corpus" "tests/fuzz/corpus/$name"
}

fuzz() {
  local seconds=$1 name
  shift
  (($#)) || set -- "${fuzzers[@]}"
  say "fuzzers, $seconds s each"
  for name in "$@"; do step "fuzz $name" fuzz_run "$name" "$seconds"; done
}

# ./dev fuzz [SECONDS] [NAMES]
check_fuzz() {
  install_packages
  local seconds=60
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
  fi
  fuzz "$seconds" "$@"
  report
}
