# shellcheck shell=bash
# Bazel, and the tree that a manager runs from. Sourced by ./dev.

# Without a terminal, Bazel's progress is thousands of lines.
bazel_flags=()
[[ -t 2 ]] || bazel_flags+=(--noshow_progress --noshow_loading_progress)

build() {
  (($#)) || set -- //...
  say "building $*"
  bazel build "${bazel_flags[@]}" "$@" || die "the build failed"
}

bench() {
  say "building and running the benchmarks"
  if [[ ${1-} == reports ]]; then
    shift
    exec bazel run "${bazel_flags[@]}" -c opt //tests/bench:report_bench -- "$@"
  fi
  if [[ ${1-} == faults ]]; then
    shift
    exec bazel run "${bazel_flags[@]}" -c opt //tests/bench:fault_bench -- "$@"
  fi
  local missed=0
  bazel run "${bazel_flags[@]}" -c opt //tests/bench:bench -- "$@" || missed=1
  (($#)) || bazel run "${bazel_flags[@]}" -c opt //tests/bench:report_bench || missed=1
  (($#)) || bazel run "${bazel_flags[@]}" -c opt //tests/bench:fault_bench || missed=1
  return "$missed"
}

# Puts the Python SDK, with the code generated for it, into a directory. It must
# be built.
# stage_python BAZEL_BIN DESTINATION (both absolute)
stage_python() {
  local from dest=$2
  rm -rf "$dest"
  mkdir -p "$dest"
  for from in sdk/python "$1/sdk/python"; do
    (cd "$from" && find . \( -name '*.runfiles' -o -name tests -o -name build -o -name setup.py -o \
      -name '.*_cache' \) -prune -o \
      -type f \( -name '*.py' -o -name '*.pyi' -o -name py.typed \) -print0 |
      xargs -0 cp -L --parents -t "$dest") || die "the Python SDK in $from can't be staged"
  done
}

# The modules that ship, by name.
shipped_modules() {
  local build_file
  for build_file in modules/*/BUILD.bazel; do basename "$(dirname "$build_file")"; done
}

# Lines "modules/NAME FILE", for each file of the targets //modules/NAME.
# module_files BAZEL_FLAGS…
module_files() {
  local targets
  targets=$(shipped_modules | sed 's|.*|//modules/&:&|')
  bazel cquery "${bazel_flags[@]}" "$@" "set($(xargs <<<"$targets"))" --output=starlark \
    --starlark:expr='"\n".join([target.label.package + " " + f.path for f in target.files.to_list()])'
}

# Puts a manager, the command line, the SDK and the modules that ship into a
# directory, as an installed package would: bin, libexec/outpost, lib/outpost/python,
# share/outpost/modules. All of it must be built, with the flags that are given.
# stage DESTINATION (absolute) BAZEL_FLAGS…
stage() {
  local dest=$1 modules=$1/share/outpost/modules bin files package file
  shift
  bin=$(bazel info "${bazel_flags[@]}" "$@" bazel-bin 2>/dev/null)
  mkdir -p "$dest/bin" "$dest/lib/outpost"
  install -m 755 "$bin/server/outpostd" "$bin/cli/outpost" "$dest/bin"
  install -D -m 755 "$bin/server/module/outpost-launch" "$dest/libexec/outpost/outpost-launch"
  stage_python "$bin" "$dest/lib/outpost/python"

  mkdir -p .tools/log
  rm -rf "$modules"
  files=$(module_files "$@" 2>.tools/log/module-files.log) ||
    die "Bazel does not tell what the modules are (.tools/log/module-files.log)"
  while read -r package file; do
    mkdir -p "$dest/share/outpost/$package"
    cp -L "$file" "$dest/share/outpost/$package"
    # A module that is a program: what the manager reads stands beside it.
    [[ ! -f $package/module.toml ]] || cp "$package/module.toml" "$dest/share/outpost/$package"
  done <<<"$files"
  # Modules may have no right to write here, and would be compiled at each start.
  /usr/bin/python3 -m compileall -q "$dest/lib/outpost/python" "$modules" ||
    die "the Python files in $dest can't be compiled"
}

# stage, and the C++ SDK: include/outpost, lib/liboutpost.a, lib/pkgconfig.
# install_into PREFIX
install_into() {
  (($# == 1)) || die "install takes one directory, e.g. ./dev install /usr/local"
  local prefix=$1 modules
  mapfile -t modules < <(shipped_modules)
  build -c opt //server:outpostd //cli:outpost //sdk/python:run //sdk/cpp:sdk \
    "${modules[@]/#///modules/}"
  mkdir -p "$prefix" || die "$prefix can't be made"
  prefix=$(cd "$prefix" && pwd)
  stage "$prefix" -c opt
  cp -r --no-preserve=mode "$(bazel info -c opt bazel-bin 2>/dev/null)/sdk/cpp/sdk/." "$prefix" ||
    die "the C++ SDK can't be copied to $prefix"
  say "installed in $prefix; for C++: PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config outpost"
}
