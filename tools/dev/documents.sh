# shellcheck shell=bash
# The documents' own commands, run as they stand. Sourced by ./dev.

# Starts a manager from a staged tree as `./dev up` does, in directories of its
# own, and does what a document tells.
# run_document FILE
run_document() (
  [[ ! -e my_modules ]] || die "the test of the documents writes my_modules: move yours away first"
  stage_dir=$root/.tools/stage
  work=$(mktemp -d /tmp/outpost-documents.XXXXXX)
  manager=
  finish() {
    [[ -z $manager ]] || { kill "$manager" && wait "$manager"; } || true
    rm -rf "$work" my_modules
  }
  trap finish EXIT
  stage "$stage_dir"
  PATH=$stage_dir/bin:$PATH
  OUTPOST_ADDRESS=unix:$work/run/outpost.sock
  export PATH OUTPOST_ADDRESS
  # What the conformance suite's Go module was built with; npm has a cache of its own.
  export GOMODCACHE=$root/.tools/go/modules GOCACHE=$root/.tools/go/cache GOFLAGS=-modcacherw
  outpostd --data-dir "$work/data" --run-dir "$work/run" --log-file "$work/log" \
    --module-path "$stage_dir/share/outpost/modules" --module-path "$root/my_modules" \
    --python-path "$stage_dir/lib/outpost/python" --sim-speed 0 \
    --take-reports --report-interval 1 --report-lease 2 --report-drop-after 8 \
    --initial-modules hello,hello_cpp,status,iostat &
  manager=$!
  within 30 "$stage_dir/bin/outpost" --timeout 5 status >/dev/null &&
    tools/run_document.py "$1"
)
