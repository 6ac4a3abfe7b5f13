#!/usr/bin/env bash
# Takes the manual's pictures anew: runs the journeys, which photograph what they
# see, and shrinks each picture that a page of docs/manual shows. Needs
# ImageMagick. `manual.sh FOLDER` shrinks what was taken into a folder before.
set -euo pipefail
cd "$(dirname "$0")/.."
from=${1:-}
if [ -z "$from" ]; then
  from=$(mktemp -d)
  trap 'rm -rf "$from"' EXIT
  ./scripts/web.sh
  TWT_REQUIRE_BROWSER=1 TWT_SHOTS=$from go test -count=1 -timeout 30m -run TestJourneys ./test/browser
fi
mkdir -p docs/manual/img
missing=0
for name in $(grep -oh 'img/[^) ]*\.png' docs/manual/*.md | sort -u); do
  shot=$from/${name#img/}
  if [ -f "$shot" ]; then
    colors=256
    [ "$(identify -format %w "$shot")" -gt 900 ] && colors=48 # a computer's page has four times the area
    convert "$shot" -resize 50% +dither -colors "$colors" -strip "docs/manual/$name"
  elif [ ! -f "docs/manual/$name" ]; then
    echo "no journey takes $name" >&2
    missing=1
  fi
done
exit $missing
