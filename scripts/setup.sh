#!/bin/sh
# Makes sure that what the build needs is there, and with `tests` what the tests need too. As root on Debian it is
# installed; elsewhere what is missing is named.
set -eu

missing=""
packages=""

# need COMMAND PACKAGE WHY
need() {
    command -v "$1" >/dev/null 2>&1 && return
    missing="$missing
  $1: $3"
    packages="$packages $2"
}

need cc gcc "a C compiler, for the embedded SQLite"
need node nodejs "Node.js 20 or later, for the TypeScript client"
need npm npm "npm, for the TypeScript client"
if [ "${1:-}" = tests ]; then
    need "${CHROMIUM:-chromium}" "chromium fonts-dejavu-core" "Chromium, to test the web app in; CHROMIUM names it where it has another name"
    need strace strace "strace, for the tests in which the disk fails"
    need nginx nginx-light "nginx, behind which the client is tested"
    need openssl openssl "OpenSSL, for the certificate of that nginx"
fi

if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    missing=""
fi

if command -v node >/dev/null 2>&1 && ! node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'; then
    missing="$missing
  node: version 20 or later, and this is $(node --version)"
fi

if ! command -v cargo >/dev/null 2>&1; then
    missing="$missing
  cargo: Rust 1.95 or later, by rustup"
fi

if [ -n "$missing" ]; then
    echo "Variorum needs what is missing here:$missing" >&2
    exit 1
fi
