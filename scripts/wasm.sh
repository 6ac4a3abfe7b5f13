#!/usr/bin/env bash
# Builds the phone's core as WebAssembly: `wasm.sh OUTDIR` writes
# OUTDIR/phone-<hash>.wasm, named by its content, and OUTDIR/core.json that names
# it; the same name goes to web/phone/src/core/built.json, and the toolchain's
# wasm_exec.js beside it, for the worker. Files that are right stay untouched.
set -euo pipefail
out=${1:?usage: wasm.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
src=web/phone/src/core

put() { # keeps a file that has the content already, and its time
  cmp -s "$1" "$2" || cp "$1" "$2"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
GOOS=js GOARCH=wasm GOFLAGS= go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$tmp/phone.wasm" ./cmd/phonewasm
chmod 644 "$tmp/phone.wasm"
name=phone-$(sha256sum "$tmp/phone.wasm" | cut -c1-16).wasm
find "$out" -name 'phone-*.wasm*' ! -name "$name" ! -name "$name.*" -delete
put "$tmp/phone.wasm" "$out/$name"
printf '{"wasm":"%s"}\n' "$name" > "$tmp/core.json"
put "$tmp/core.json" "$out/core.json"
put "$tmp/core.json" "$src/built.json"
put "$(go env GOROOT)/lib/wasm/wasm_exec.js" "$src/wasm_exec.js"
