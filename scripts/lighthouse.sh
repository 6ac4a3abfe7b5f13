#!/usr/bin/env bash
# Prints Lighthouse's figures of the first screen, the median of three runs, on
# its preset of a mid-range phone. Machines are noisy: nothing is asserted on
# performance; accessibility has to be 100.
set -euo pipefail
cd "$(dirname "$0")/.."
version=12.8.2 # the last that runs on Node.js 20
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT

free=127.0.0.1:0
TWT_APP=$free TWT_PLATFORM=$free TWT_PKI=$free TWT_SANDBOX=$free TWT_CONSOLE=off TWT_OPS=$free \
  ./bin/tianweitong serve --data "$dir/data" --log warn >"$dir/banner" &
server=$!
for _ in $(seq 100); do
  grep -q Ctrl-C "$dir/banner" && break
  sleep 0.1
done
url=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$dir/banner" | head -1)

measure() { # a busy machine loses the start of a trace now and then
  CHROME_PATH=${TWT_CHROMIUM:-/usr/bin/chromium} npx --yes "lighthouse@$version" "$url" --quiet --output=json --output-path="$1" \
    --only-categories=performance,accessibility,best-practices --chrome-flags="--headless=new --no-sandbox --disable-dev-shm-usage"
}
for i in 1 2 3; do
  measure "$dir/$i.json" || measure "$dir/$i.json"
done
node - "$dir" <<'JS'
const { readFileSync } = require('node:fs')
const runs = [1, 2, 3].map((i) => JSON.parse(readFileSync(`${process.argv[2]}/${i}.json`, 'utf8')))
const median = (f) => runs.map(f).sort((a, b) => a - b)[1]
for (const c of ['performance', 'accessibility', 'best-practices'])
  console.log(c.padEnd(28), Math.round(median((r) => r.categories[c].score * 100)))
for (const [id, unit] of [['first-contentful-paint', 'ms'], ['largest-contentful-paint', 'ms'], ['total-blocking-time', 'ms'], ['cumulative-layout-shift', '']])
  console.log(id.padEnd(28), median((r) => r.audits[id].numericValue).toFixed(unit ? 0 : 3), unit)
const failed = Object.values(runs[0].audits).filter((a) => a.score !== null && a.score < 0.9 && a.scoreDisplayMode !== 'informative' && a.scoreDisplayMode !== 'metricSavings')
for (const a of failed) console.log(`  ${a.id}: ${a.title}${a.displayValue ? ` (${a.displayValue})` : ''}`)
process.exitCode = median((r) => r.categories.accessibility.score) < 1 ? 1 : 0
JS
