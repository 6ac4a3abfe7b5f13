#!/usr/bin/env bash
# Prints the project's figures. Nothing is asserted on time: machines are noisy,
# so each is the median of COUNT (default 5) runs on one core, and the journeys
# are measured with the load in the same process.
set -euo pipefail
cd "$(dirname "$0")/.."
COUNT=${COUNT:-5}
SECONDS_OF_LOAD=${LOAD_SECONDS:-20}

median() { # package, benchmark, label, aim
  go test -run '^$' -bench "^$2\$" -count "$COUNT" -cpu 1 "$1" 2>/dev/null |
    awk -v label="$3" -v aim="${4:-}" '/ns\/op/ { for (i = 2; i <= NF; i++) if ($i == "ns/op") v[n++] = $(i-1) + 0 }
      END { if (n == 0) { printf "%-46s  no result\n", label; exit 1 }
        for (i = 0; i < n; i++) for (j = i + 1; j < n; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
        m = v[int((n - 1) / 2)]; printf "%-46s %10.1f µs %10.0f /s   %s\n", label, m / 1000, 1e9 / m, aim }'
}

echo "go $(go env GOVERSION), $(nproc) cores, medians of $COUNT on one core"
printf '%-46s %13s %13s   %s\n' "what" "time" "rate" "aim"
median ./splitkey BenchmarkCosignServer "server, one co-signature (open + complete)" "≥ 7,500 /s a core"
median ./splitkey BenchmarkPhoneSign "phone half, native"
median ./splitkey BenchmarkCoDecryptServer "server, one co-decryption"
median ./splitkey BenchmarkKeygenServer "server, key generation"
median ./pki/lint BenchmarkDraftLintSignAssemble "certificate: draft, lint, sign, assemble"
median ./internal/custody BenchmarkCosign/compute "custody, co-signature, computing only"
median ./internal/custody BenchmarkCosign/sqlite "custody, co-signature on SQLite, durable"
echo
echo "scan-to-sign journeys over HTTP, aim ≥ 150 /s on 2 cores"
go run ./test/load -v --seconds "$SECONDS_OF_LOAD" --phones 64
echo
echo "signing in and lists with ${ACCOUNTS:-100000} accounts and ${ENTERPRISES:-10000} enterprises"
go run ./test/load --people --seconds "${PEOPLE_SECONDS:-10}" --phones 64 --accounts "${ACCOUNTS:-100000}" --enterprises "${ENTERPRISES:-10000}"
