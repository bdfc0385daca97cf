# shellcheck shell=bash
# The conformance suite of tests/conformance, and the modules that it is run with
# here. Sourced by ./dev.

conformance=$root/.tools/conformance
conformance_modules=(cpp python go js)

in_go_module() {
  env -C "$conformance/modules/go" GOTOOLCHAIN=local GOFLAGS=-modcacherw \
    GOMODCACHE="$root/.tools/go/modules" GOCACHE="$root/.tools/go/cache" GOWORK=off /usr/bin/go "$@"
}

build_go_module() {
  (cd "$conformance/modules/go" && ./generate.sh "$root/proto") &&
    in_go_module build -o conformance . && in_go_module vet .
}

# The packages are installed again only when their list has changed.
build_js_module() {
  local module=$conformance/modules/js
  local list=$module/package-lock.json stamp=$module/node_modules/made-from
  rm -rf "$module/proto"
  cp -r proto "$module/proto"
  cmp --silent "$list" "$stamp" && return
  (cd "$module" && npm ci --ignore-scripts) && cp "$list" "$stamp"
}

# Puts what the suite needs where it looks for it: a manager, the command line,
# the Python SDK, and the modules, built.
stage_conformance() {
  local from=tests/conformance/modules files=$conformance/runfiles module bin
  build //server:outpostd //cli:outpost //sdk/python:run "//$from/cpp:conformance"
  bin=$(bazel info "${bazel_flags[@]}" bazel-bin 2>/dev/null)
  mkdir -p "$conformance/modules" "$files"/{server,cli,sdk,tests/integration}
  ln -sfn "$bin/server/outpostd" "$files/server/outpostd"
  ln -sfn "$bin/cli/outpost" "$files/cli/outpost"
  ln -sfn "$root/modules" "$files/modules"
  ln -sfn "$root/tests/integration/modules" "$files/tests/integration/modules"
  stage_python "$bin" "$files/sdk/python"
  for module in "${conformance_modules[@]}"; do
    mkdir -p "$conformance/modules/$module"
    cp "$from/$module"/* "$conformance/modules/$module"
  done
  install "$bin/$from/cpp/conformance" "$conformance/modules/cpp"
  say "building the modules in Go and JavaScript"
  quietly .tools/log/go.log build_go_module || die "the Go module can't be built (.tools/log/go.log)"
  quietly .tools/log/npm.log build_js_module ||
    die "the packages of the JavaScript module can't be installed (.tools/log/npm.log)"
}

# Runs the suite with the module in a directory.
# conformance_suite DIRECTORY PYTEST_ARGUMENTS…
conformance_suite() {
  local module=$1
  shift
  OUTPOST_RUNFILES=$conformance/runfiles \
    PYTHONPATH=$conformance/runfiles/sdk/python:$root/tests/integration PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/python3 -m pytest -q -p no:cacheprovider -o python_files='*_test.py' --durations=5 \
    tests/conformance --module="$module" "$@"
}

# The suite with the four modules of ours, each a step.
conformance_steps() {
  local module
  stage_conformance
  say "the conformance suite"
  for module in "${conformance_modules[@]}"; do
    step "conformance of $module" conformance_suite "$conformance/modules/$module"
  done
}

# check_conformance [DIRECTORY [PYTEST_ARGUMENTS…]]
check_conformance() {
  install_packages
  if (($#)); then
    local module
    module=$(realpath "$1")
    shift
    stage_conformance
    conformance_suite "$module" "$@"
  else
    conformance_steps
    report
  fi
}
