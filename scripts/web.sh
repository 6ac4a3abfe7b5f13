#!/usr/bin/env bash
# Builds the pages: packages as locked, the WebAssembly core, Vite, and the
# compressed forms beside the files. `web.sh packages` stops after the first.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
if command -v flock >/dev/null; then # two builds at a time would mix their files
  exec 9>bin/.web.lock
  flock 9
fi

# npm leaves a mark of its own when it has installed what the lock says.
if [ ! web/node_modules/.package-lock.json -nt web/package-lock.json ]; then
  echo "Installing the pages' packages as locked."
  npm --prefix web ci --ignore-scripts --no-audit --no-fund --loglevel=error
  touch web/node_modules/.package-lock.json
fi
# The typeface of the letters (internal/letter) is embedded by package fonts.
typeface=web/node_modules/@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf
cmp -s "$typeface" fonts/ttf/NotoSansSC-Regular.ttf || cp "$typeface" fonts/ttf/NotoSansSC-Regular.ttf
[ "${1:-}" = packages ] && exit 0

./scripts/wasm.sh web/phone/public/core
for page in phone sandbox console; do
  npm --prefix web run --silent build -w "$page" -- --logLevel warn
done
node scripts/compress.mjs web/phone/dist web/sandbox/dist web/console/dist
touch web/phone/dist/.built
