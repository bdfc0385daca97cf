#!/bin/sh
# Makes the Go package outpostv1 from the .proto files: generate.sh PROTO_DIRECTORY
#
# The .proto files have no go_package, as they favour no language: the M options say where the
# package of each is.
set -eu
set -- "$1" "$1"/outpost/v1/*.proto
protos=$1
shift
options=
for file in "$@"; do
  options="$options,Moutpost/v1/${file##*/}=outpost.example/conformance/outpostv1"
done
protoc -I "$protos" \
  --go_out=. --go_opt="module=outpost.example/conformance$options" \
  --go-grpc_out=. --go-grpc_opt="module=outpost.example/conformance$options" \
  "$@"
