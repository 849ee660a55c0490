# shellcheck shell=bash
# For build-deb.sh and build-rpm.sh: what is packaged, and its version.
# Sourced; sets top and version.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The one place where the version number is written.
version=$(sed -n 's/^#define MSYS_PLUGIN_VERSION "\(.*\)"/\1/p' \
  "$top/plugin/include/msys/plugin.h")
log=/dev/null
[ -n "$version" ] || {
  echo "no MSYS_PLUGIN_VERSION in plugin/include/msys/plugin.h" >&2
  exit 1
}

# quietly COMMAND...: what it says, into $log, is of interest only when it fails.
quietly() {
  "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  printf '%s: this failed: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || {
      echo "$(basename "$0"): $command is missing; packaging/install-deps.sh build full" >&2
      exit 1
    }
  done
}

# copy_source DIR [REVISION]: a revision, or the working files but for those that
# git ignores; outside of a git checkout all files but build directories.
copy_source() {
  mkdir -p "$1"
  if [ -n "${2:-}" ]; then
    git -C "$top" archive "$2" | tar -x -C "$1"
  elif [ -e "$top/.git" ]; then
    # A file that git knows may be deleted, but not yet for git.
    (cd "$top" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
      [ ! -e "$file" ] || printf '%s\0' "$file"
    done | tar -c --null -T -) | tar -x -C "$1"
  else
    tar -c -C "$top" --exclude './build*' --exclude './debian' . | tar -x -C "$1"
  fi
  # Whatever the umask of the one who packs it.
  chmod -R u=rwX,go=rX "$1"
}
