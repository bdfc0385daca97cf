"""cc_sdk: a directory from which a C++ library can be used without Bazel, found by pkg-config."""

def _destination(f):
    """Where a header goes below include/; None: it is not for users.

    Public headers are included as outpost/…, whatever include directory Bazel has them in."""
    at = f.path.rfind("/outpost/")
    return f.path[at + 1:] if at >= 0 and f.extension == "h" else None

def _cc_sdk_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.label.name)
    inputs = []
    script = ["set -eu", "mkdir -p %s/include %s/lib/pkgconfig" % (tree.path, tree.path)]
    headers = {}
    done = {}
    for library, name in ctx.attr.libraries.items():
        info = library[CcInfo]
        for header in info.compilation_context.headers.to_list():
            destination = _destination(header)
            if destination:
                headers[destination] = header
        objects = []
        for linker_input in info.linking_context.linker_inputs.to_list():
            for lib in linker_input.libraries:
                for f in lib.pic_objects or lib.objects or []:
                    # What a library before this one has, this one needs only.
                    if f.path not in done:
                        done[f.path] = True
                        objects.append(f)
        inputs += objects

        # Objects of different packages may have the same name: q, and not r, keeps them all.
        script.append("ar qcsD %s/lib/lib%s.a %s" % (tree.path, name, " ".join([f.path for f in objects])))
    for destination, header in headers.items():
        inputs.append(header)
        script.append("install -D -m 644 %s %s/include/%s" % (header.path, tree.path, destination))
    for f in ctx.files.pkg_config:
        inputs.append(f)
        script.append("install -m 644 %s %s/lib/pkgconfig/%s" % (f.path, tree.path, f.basename))
    program = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(program, "\n".join(script) + "\n")
    ctx.actions.run_shell(
        command = "/bin/sh " + program.path,
        inputs = inputs + [program],
        outputs = [tree],
        mnemonic = "CcSdk",
        progress_message = "Collecting %s" % ctx.label,
    )
    return [DefaultInfo(files = depset([tree]), runfiles = ctx.runfiles([tree]))]

cc_sdk = rule(
    implementation = _cc_sdk_impl,
    doc = "include/, lib/lib<name>.a for each library, lib/pkgconfig/. Objects that several libraries have go into the first.",
    attrs = {
        "libraries": attr.label_keyed_string_dict(providers = [CcInfo]),
        "pkg_config": attr.label_list(allow_files = [".pc"]),
    },
)
