"""@system: Debian's -dev packages as cc_library targets. Flags come from pkg-config. No include path is
needed: /usr/include is a built-in include directory of the auto-configured toolchain."""

# targets whose name is their pkg-config module (of absl's 137 modules, only those in use: each costs 35 ms)
_MODULES = ["absl_" + m for m in [
    "any_invocable",
    "base",
    "btree",
    "cleanup",
    "flat_hash_map",
    "flat_hash_set",
    "function_ref",
    "hash",
    "inlined_vector",
    "random_random",
    "span",
    "status",
    "statusor",
    "str_format",
    "strings",
    "synchronization",
    "time",
]] + ["fmt", "gmock", "grpc++", "gtest", "gtest_main", "libedit", "libseccomp", "openssl", "protobuf", "re2", "simdjson", "spdlog", "sqlite3", "yaml-0.1"]

# targets without a pkg-config module
_PLAIN = {
    "cli11": [],
    "grpc++_reflection": ["-lgrpc++_reflection"],
    "grpcpp_channelz": ["-lgrpcpp_channelz"],
    "nlohmann_json": [],
    "rados": ["-lrados"],
    "tomlplusplus": [],
}

_DEPS = {
    "grpc++": [":protobuf"],
    "grpc++_reflection": [":grpc++"],
    "grpcpp_channelz": [":grpc++"],
}

_PKG_CONFIG = """set -eu
for m in "$@"; do
  echo "$m $(/usr/bin/pkg-config --cflags --libs "$m")"
done"""

def _cc_library(name, flags):
    linkopts = {}
    for f in reversed([f for f in flags if f.startswith("-l") or f == "-pthread"]):
        linkopts[f] = True  # the last of each
    return "cc_library(name = %r, linkopts = %r, defines = %r, deps = %r)\n" % (
        name,
        reversed(linkopts.keys()),
        [f[2:] for f in flags if f.startswith("-D")],
        _DEPS.get(name, []),
    )

def _system_libraries_impl(ctx):
    r = ctx.execute(["/bin/sh", "-c", _PKG_CONFIG, "sh"] + _MODULES)
    if r.return_code:
        fail("pkg-config: " + r.stderr)
    out = ["package(default_visibility = [\"//visibility:public\"])\n"]
    for line in r.stdout.strip().split("\n"):
        words = [w for w in line.split(" ") if w]
        out.append(_cc_library(words[0], words[1:]))
    for name, flags in _PLAIN.items():
        out.append(_cc_library(name, flags))
    ctx.file("BUILD.bazel", "".join(out))

system_libraries = repository_rule(implementation = _system_libraries_impl)
