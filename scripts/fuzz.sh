#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (default 30s).
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rhoE --include='*_test.go' -H '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|^(.*)/[^/]+:func (Fuzz.*)$|\1 \2|' | while read -r dir target; do
  echo "== $dir $target"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "$dir"
done
