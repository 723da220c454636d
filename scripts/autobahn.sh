#!/bin/sh
# Autobahn's WebSocket suite against the server's upgrade, frames and closing, with an echo behind them: groups 1 to 10.
# The suite is a Python 2 program: PYTHON2 names an interpreter with `virtualenv` (python2.7 if nothing is said); where it has
# none, `python2.7 -m pip install --user 'virtualenv<20.22'` is the last that it can have. Prints how
# many cases ended how, and fails if one failed. The report stays in target/autobahn/report.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON2:-python2.7}
here=target/autobahn
mkdir -p "$here"
if [ ! -x "$here/venv/bin/wstest" ]; then
    "$python" -m virtualenv "$here/venv"
    "$here/venv/bin/pip" install autobahntestsuite
fi
cargo build --release --workspace --bin proptests
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
target/release/proptests echo --listen "127.0.0.1:$port" &
server=$!
trap 'kill $server' EXIT
cat > "$here/fuzzingclient.json" <<JSON
{"outdir": "$here/report", "servers": [{"agent": "variorum", "url": "ws://127.0.0.1:$port"}], "cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}
JSON
"$here/venv/bin/wstest" --mode fuzzingclient --spec "$here/fuzzingclient.json"
python3 - "$here/report/index.json" <<'PY'
import collections, json, sys
cases = json.load(open(sys.argv[1]))["variorum"]
for part in ("behavior", "behaviorClose"):
    print(part, dict(collections.Counter(case[part] for case in cases.values())), "of", len(cases))
failed = [name for name, case in cases.items() if "FAILED" in (case["behavior"], case["behaviorClose"])]
print("failed:", ", ".join(sorted(failed)) or "none")
sys.exit(bool(failed))
PY
