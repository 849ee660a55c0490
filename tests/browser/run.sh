#!/bin/bash
# Shows the pages of host-sim to a browser.
#
#   tests/browser/run.sh HOST_SIM PLUGIN WORK_DIR
#
# Status 77, and a line that says why, when there is no browser here, or the
# packages of package.json cannot be had; with MSYS_BROWSER=required, 1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
host_sim=$(realpath "$1") plugin=$(realpath "$2") work=$3

cannot() {
  echo "browser test not run: $*" >&2
  if [ "${MSYS_BROWSER:-}" = required ]; then exit 1; fi
  exit 77
}

for command in node npm chromium; do
  command -v "$command" >/dev/null ||
    cannot "$command is missing; packaging/install-deps.sh full installs it"
done

# Not in the source: npm writes beside the lock file.
mkdir -p "$work"
if ! cmp -s "$here/package-lock.json" "$work/package-lock.json" ||
  [ ! -d "$work/node_modules/playwright-core" ]; then
  cp "$here/package.json" "$work"
  log=$work/npm.log
  cp "$here/package-lock.json" "$work/package-lock.json"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 || {
    rm -f "$work/package-lock.json"
    tail -n 5 "$log" >&2
    cannot "npm could not install what package-lock.json names"
  }
fi

CHROMIUM=$(command -v chromium)
export CHROMIUM
exec node "$here/report_test.mjs" "$host_sim" "$plugin" "$work"
