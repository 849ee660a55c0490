#!/bin/bash
# Installs the built Debian packages from zero: into a fresh Debian in a
# folder, with apt, dependencies from Debian.  Upgrades, uses, removes and purges
# them, then runs the packages' own tests there, and boots it to try the service.
#
#   packaging/test-install.sh [--release RELEASE] [--base TARBALL] [PACKAGES_DIR]
#
# RELEASE (bookworm) is the Debian that the packages were built on.
# PACKAGES_DIR (build/packages) is where build-deb.sh put the packages.  TARBALL
# keeps what debootstrap downloads, for the next time.  MIRROR in the environment
# is the Debian mirror; without it, the one that this machine's apt uses for the
# same release, or debootstrap's own.  Needs root.  Exit status 77: this machine
# cannot do it.
set -eu

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
release=bookworm
if [ "${1:-}" = --release ]; then
  release=$2
  shift 2
fi
base=
if [ "${1:-}" = --base ]; then
  base=$(realpath -m "$2")
  shift 2
fi
packages=$(realpath -m "${1:-$top/build/packages}")

cannot() {
  echo "test-install: cannot run here: $*" >&2
  exit 77
}
[ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root; try sudo"
command -v debootstrap >/dev/null ||
  cannot "debootstrap is missing; packaging/install-deps.sh full"
# Mounts of its own, which end with it.
if [ -z "${MSYS_UNSHARED:-}" ]; then
  unshare --mount true 2>/dev/null ||
    cannot "this container may not mount; run it with more rights, or on a machine"
  MSYS_UNSHARED=1 exec unshare --mount "$0" --release "$release" ${base:+--base "$base"} "$packages"
fi

fail() {
  echo "test-install: $*" >&2
  exit 1
}
# shellcheck disable=SC2016
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
  "Codename: $release" 'Created-By: Packages' 'Component: main' | sed q)}
built=("$packages"/msys-*_"$version"_*.deb)
[ -e "${built[0]}" ] || fail "no packages of $version in $packages; build-deb.sh makes them"

work=$(mktemp -d)
trap 'umount -q "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
log=$work/log
root=$work/root
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  LC_ALL=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} DEBIAN_FRONTEND=noninteractive "$@"; }
apt() { quietly inside apt-get -qq -o Acquire::Retries=3 "$@"; }
# in_root PREFIX: the package whose file starts so, as seen from inside.
in_root() { (cd "$root" && echo "/$(compgen -G "$1*.deb")"); }
step() { printf '%s\n' "- $*"; }

step "a fresh Debian ($release)"
bootstrap() {
  debootstrap --variant=minbase "$@" ${mirror:+"$mirror"} >"$log" 2>&1 || {
    tail -5 "$log" >&2
    cannot "debootstrap does not get $release${mirror:+ from $mirror}; MIRROR=URL names another mirror"
  }
}
if [ -n "$base" ] && [ ! -e "$base" ]; then
  bootstrap --make-tarball="$base" "$release" "$work/download"
fi
bootstrap ${base:+--unpack-tarball="$base"} "$release" "$root"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc" || cannot "no /proc can be mounted"
# A machine that reaches Debian only through a proxy says so to apt.
apt-config dump Acquire::http::Proxy Acquire::https::Proxy >"$root/etc/apt/apt.conf.d/90proxy"
apt update

# The previous version: the same packages with a lower number, and with another
# default in a file that the administrator is going to change as well.
previous=0.0.1
mkdir -p "$root/packages/previous"
cp "${built[@]}" "$root/packages"
for deb in "${built[@]}"; do
  case $deb in *-dbgsym_* | *-dev_*) continue ;; esac
  rm -rf "$work/deb"
  dpkg-deb -R "$deb" "$work/deb"
  sed -i "s/^Version: .*/Version: $previous/; s/(= $version)/(= $previous)/" "$work/deb/DEBIAN/control"
  pools=$work/deb/etc/msys/runinpool.conf
  if [ -e "$pools" ]; then
    sed -i 's/Concurrency = 50/Concurrency = 49/' "$pools"
    sed -i "s|.*  etc/msys/runinpool.conf|$(md5sum "$pools" | cut -d' ' -f1)  etc/msys/runinpool.conf|" \
      "$work/deb/DEBIAN/md5sums"
  fi
  quietly dpkg-deb --root-owner-group -b "$work/deb" "$root/packages/previous"
done

# Everything there is, but for what apt and the dynamic linker keep.
everything() {
  (cd "$root" && find . -xdev \( -path ./packages -o -path ./proc -o -path ./tmp -o \
    -path './var/cache/*' -o -path './var/lib/apt/*' -o -path './var/lib/dpkg/*' -o \
    -path './var/log/*' \) -prune -o -print | grep -vx ./etc/ld.so.cache | sort)
}

step "install of the previous version, with what it needs from Debian"
old=("$(in_root packages/previous/msys-runinpool_)" "$(in_root packages/previous/msys-host-sim_)")
# First only what it needs: what these packages leave behind is not ours.
inside apt-get -s install --no-install-recommends "${old[@]}" >"$work/plan" 2>"$log" ||
  { cat "$work/plan" "$log" >&2; fail "apt finds no way to install ${old[*]}"; }
mapfile -t needed < <(sed -n 's/^Inst \([^ ]*\) .*/\1/p' "$work/plan" | grep -v '^msys-')
apt install -y --no-install-recommends "${needed[@]}"
everything >"$work/before"
apt install -y --no-install-recommends "${old[@]}"
for file in host-sim listener runinpool; do
  echo "# changed by the administrator" >>"$root/etc/msys/$file.conf"
done

step "upgrade, which keeps changed configuration"
apt install -y --no-install-recommends -o Dpkg::Options::=--force-confold \
  "$(in_root packages/msys-runinpool_)" "$(in_root packages/msys-host-sim_)"
for file in host-sim listener runinpool; do
  grep -q 'changed by the administrator' "$root/etc/msys/$file.conf" ||
    fail "the upgrade lost the changes in /etc/msys/$file.conf"
done
grep -q 'Concurrency = 49' "$root/etc/msys/runinpool.conf" ||
  fail "the upgrade replaced /etc/msys/runinpool.conf"
[ "$(inside host-sim --version)" = "host-sim $version" ] ||
  fail "after the upgrade host-sim --version says $(inside host-sim --version)"

step "host-sim on the installed mail"
inside host-sim --config /etc/msys/host-sim.conf /usr/share/msys/mail >"$log" 2>&1 ||
  { cat "$log" >&2; fail "host-sim fails"; }
grep -E '^(Sessions|.* thread pool:)' "$log" | sed 's/^/    /'
[ -z "$(find "$root/etc/systemd" -name 'host-sim*')" ] || fail "the service is enabled"

step "remove"
apt remove -y msys-runinpool msys-host-sim
left=$(cd "$root" && find . -xdev \( -path ./packages -o -path ./proc -o \
  -path ./var/lib/dpkg -o -path ./var/lib/systemd \) -prune -o \
  \( -path '*msys*' -o -name '*runinpool*' -o -name '*host-sim*' \) -print |
  grep -v '\.dpkg-dist$' | sort | tr '\n' ' ')
[ "$left" = "./etc/msys ./etc/msys/host-sim.conf ./etc/msys/listener.conf ./etc/msys/runinpool.conf " ] ||
  fail "after remove there is: $left"

step "purge"
apt purge -y msys-runinpool msys-host-sim
everything >"$work/after"
comm -13 "$work/before" "$work/after" >"$work/left"
[ ! -s "$work/left" ] || fail "purge left: $(head -20 "$work/left" | tr '\n' ' ')"

step "the packages' own tests"
mkdir -p "$root/packages/source"
cp -r "$top/packaging" "$root/packages/source"
depends=("$(in_root packages/msys-runinpool_)")
for package in $(sed -n 's/^Depends: //p' "$top/packaging/debian/tests/control" | tr -d ,); do
  if compgen -G "$root/packages/${package}_*.deb" >/dev/null; then
    depends+=("$(in_root "packages/${package}"_)")
  else
    depends+=("$package")
  fi
done
apt install -y --no-install-recommends "${depends[@]}"
inside sh -c 'cd /packages/source && sh packaging/debian/tests/installed' >"$log" 2>&1 ||
  { cat "$log" >&2; fail "the packages' own tests fail"; }
sed 's/^/    /' "$log"

step "the service, in a booted system"
apt install -y --no-install-recommends systemd systemd-sysv dbus curl
status=0
"$top/packaging/tests/in-systemd.sh" "$root" /bin/bash \
  /packages/source/packaging/tests/check-service.sh "$(in_root packages/msys-host-sim_)" \
  >"$log" 2>&1 || status=$?
sed 's/^/    /' "$log"
[ $status -eq 0 ] || [ $status -eq 77 ] || fail "the service does not work as it should"
echo "test-install: packages of $version install, upgrade, work and go"
