# For the scripts beside it: goes to the TypeScript client and has its packages there, by the lock file.
cd "$(dirname "$0")/../client-ts"
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
fi
