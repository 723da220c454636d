#!/bin/sh
# The TypeScript client: its build and every test of it, then the same, and the app in a browser, against the server.
set -eu
. "$(dirname "$0")/packages.sh"
npm run check
VARIORUM="${VARIORUM:-$PWD/../target/release/variorum}" npm run e2e
