#!/usr/bin/env bash
# Installs what building ("run") and testing (default) need, says what it does,
# and fails with one clear sentence when it cannot.
set -euo pipefail
what=${1:-test}

need_go=1.26
if ! command -v go >/dev/null; then
  echo "天威通 needs Go $need_go or newer on the PATH: see https://go.dev/doc/install" >&2
  exit 1
fi
have=$(go env GOVERSION | sed -E 's/^go([0-9]+\.[0-9]+).*/\1/')
if [ "$(printf '%s\n%s\n' "$need_go" "$have" | sort -V | head -1)" != "$need_go" ]; then
  echo "天威通 needs Go $need_go or newer; this is Go $have: see https://go.dev/doc/install" >&2
  exit 1
fi
need_node=20.19
have=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+\.[0-9]+).*/\1/' || true)
if [ -z "$have" ] || ! command -v npm >/dev/null || [ "$(printf '%s\n%s\n' "$need_node" "$have" | sort -V | head -1)" != "$need_node" ]; then
  echo "天威通's pages need Node.js $need_node or newer with npm on the PATH${have:+; this is Node.js $have}: see https://nodejs.org/" >&2
  exit 1
fi
[ "$what" = run ] && exit 0

missing=()
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  missing+=(postgresql)
fi
command -v openssl >/dev/null || missing+=(openssl)
command -v setpriv >/dev/null || missing+=(util-linux)
# The journeys run in a browser, and its pictures want Chinese letters.
command -v chromium >/dev/null || missing+=(chromium)
command -v fc-list >/dev/null || missing+=(fontconfig)
if ! command -v fc-list >/dev/null || [ -z "$(fc-list :lang=zh-cn file)" ]; then
  missing+=(fonts-wqy-microhei)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need ${missing[*]}: install them (on Debian as root: apt-get install ${missing[*]}) and run again." >&2
  exit 1
fi
echo "Installing by apt-get what the tests need: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own; the system's one need not start.
mkdir -p /etc/postgresql-common
grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf || echo "create_main_cluster = false" >>/etc/postgresql-common/createcluster.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
