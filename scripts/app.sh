#!/bin/sh
# Builds the web app that the server's binary embeds.
set -eu
. "$(dirname "$0")/packages.sh"
npm run --silent app
