#!/bin/sh
# The TypeScript client: its packages by lock file, then its build and every test of it.
set -eu
cd "$(dirname "$0")/../client-ts"
npm ci --no-audit --no-fund --loglevel=error
npm test
