#!/bin/sh
# The TypeScript client: its packages by lock file, its build and every test of it, then the same against the server.
set -eu
cd "$(dirname "$0")/../client-ts"
npm ci --no-audit --no-fund --loglevel=error
npm run check
VARIORUM="${VARIORUM:-$PWD/../target/release/variorum}" npm run e2e
