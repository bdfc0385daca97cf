"""cc_grpc_library and py_grpc_library over a native proto_library, with Debian's protoc and gRPC plugins.

A generated file of a proto_library with strip_import_prefix stands, below the package that asks for it, where its proto
stands below the import root: outpost/v1/x.proto becomes <package>/outpost/v1/x.grpc.pb.h. That of any other stands beside
its proto."""

_SUFFIXES = {"cc": [".grpc.pb.h", ".grpc.pb.cc"], "py": ["_pb2.py", "_pb2_grpc.py"]}

def _import_path(f):
    """The path by which other protos import f."""
    marker = "/_virtual_imports/"
    if marker not in f.path:
        return f.short_path
    rest = f.path.split(marker)[1]
    return rest[rest.index("/") + 1:]

def _codegen_impl(ctx):
    infos = [proto[ProtoInfo] for proto in ctx.attr.protos]
    py = ctx.attr.lang == "py"
    sources = [f for info in infos for f in info.direct_sources]
    descriptors = depset(transitive = [info.transitive_descriptor_sets for info in infos])
    protos = [_import_path(f) for f in sources]
    plugin = ctx.executable._py_plugin if py else ctx.executable._cc_plugin

    # Protos with an import root of their own are generated below this package; others where they stand.
    below_package = any(["/_virtual_imports/" in f.path for f in sources])
    # (In another workspace, this one is external/….)
    repository = "/" + ctx.label.workspace_root if ctx.label.workspace_root else ""
    root = ctx.bin_dir.path + repository + ("/" + ctx.label.package if below_package else "")
    prefix = "" if below_package else ctx.label.package + "/"
    outs = [ctx.actions.declare_file(p[len(prefix):-len(".proto")] + s) for p in protos for s in _SUFFIXES[ctx.attr.lang]]
    args = ctx.actions.args()
    args.add_joined("--descriptor_set_in", descriptors, join_with = ":")
    args.add("--plugin=protoc-gen-grpc=" + plugin.path)
    args.add("--grpc_out=" + root)
    if py:
        args.add("--python_out=" + root)
        args.add("--pyi_out=" + root)
        pyi = [ctx.actions.declare_file(p[len(prefix):-len(".proto")] + "_pb2.pyi") for p in protos]
    else:
        pyi = []
    args.add_all(protos)
    ctx.actions.run(
        executable = ctx.executable._protoc,
        arguments = [args],
        inputs = descriptors,
        tools = [plugin],
        outputs = outs + pyi,
        mnemonic = "GrpcCodegen",
    )
    return [DefaultInfo(files = depset(outs), runfiles = ctx.runfiles(pyi)), OutputGroupInfo(stubs = depset(pyi))]

def _tool(name):
    return attr.label(default = "@com_google_protobuf//:" + name, executable = True, allow_single_file = True, cfg = "exec")

grpc_codegen = rule(
    implementation = _codegen_impl,
    attrs = {
        "lang": attr.string(values = ["cc", "py"]),
        "protos": attr.label_list(providers = [ProtoInfo]),
        "_cc_plugin": _tool("grpc_cpp_plugin"),
        "_protoc": _tool("protoc"),
        "_py_plugin": _tool("grpc_python_plugin"),
    },
)

def cc_grpc_library(name, proto, deps, **kwargs):
    """The services of proto, included by the protos' import paths; deps has its cc_proto_library."""
    grpc_codegen(name = name + "_codegen", lang = "cc", protos = [proto])
    native.cc_library(
        name = name,
        srcs = [name + "_codegen"],
        hdrs = [name + "_codegen"],
        includes = ["."],
        deps = deps + ["@system//:grpc++"],
        **kwargs
    )

def py_grpc_library(name, protos, deps = [], **kwargs):
    """The messages and services of protos, imported by the protos' import paths."""
    grpc_codegen(name = name + "_codegen", lang = "py", protos = protos)
    native.py_library(name = name, srcs = [name + "_codegen"], deps = deps, **kwargs)
