#!/bin/sh
# The TypeScript client: its packages by lock file, its build and every test of it, then the same against the server.
set -eu
cd "$(dirname "$0")/../client-ts"
# By the lock file. `npm ci` would ask it for the binaries of every platform, of which it names this one's alone.
npm install --no-save --no-audit --no-fund --loglevel=error
npm run check
VARIORUM="${VARIORUM:-$PWD/../target/release/variorum}" npm run e2e
