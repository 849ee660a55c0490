#!/bin/bash
# Boots the Debian in a folder, by its own systemd, runs a command there, and shuts
# it down: a container by hand, with processes, mounts, host name, control groups
# and a network of its own, which is a loopback interface and nothing else.
#
#   packaging/tests/in-systemd.sh ROOT COMMAND [ARGUMENT...]
#
# The exit status is the command's.  77: this machine cannot do it.  Needs root.
set -eu

cannot() {
  echo "in-systemd: cannot run here: $*" >&2
  exit 77
}

if [ "${1:-}" != --inside ]; then
  root=$(realpath "$1")
  shift
  [ -x "$root/sbin/init" ] || cannot "$root has no systemd"
  groups=$(mktemp -d)
  mount -t cgroup2 none "$groups" 2>/dev/null || {
    rmdir "$groups"
    cannot "no control groups (cgroup2) can be mounted"
  }
  group=$groups/msys-test-$$
  # What systemd made below it is empty by then.
  trap 'find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    umount "$groups" && rmdir "$groups"' EXIT
  mkdir "$group" 2>/dev/null || cannot "no control group can be made"
  for namespace in cgroup pid uts ipc net; do
    unshare --$namespace --fork true 2>/dev/null ||
      cannot "no $namespace namespace can be made"
  done
  output=$root/in-systemd.log
  : >"$output"
  status=0
  # shellcheck disable=SC2016
  timeout "${SECONDS_AT_MOST:-300}" sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' \
    "$group" unshare --mount --cgroup --pid --uts --ipc --net --fork --kill-child \
    "$0" --inside "$root" "$@" </dev/null || status=$?
  cat "$output"
  rm "$output"
  [ $status -ne 124 ] || echo "in-systemd: not done in ${SECONDS_AT_MOST:-300} s" >&2
  exit $status
fi

shift
root=$1
shift
mount --make-rprivate /
mountpoint -q "$root" || mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
for dir in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$dir"; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
: >"$root/dev/console"
mount --bind /dev/null "$root/dev/console"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

mkdir -p "$root/run/systemd/system"
cat >"$root/run/systemd/system/in-systemd.service" <<END
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
ExecStart=$*
StandardOutput=append:/in-systemd.log
StandardError=append:/in-systemd.log
END
# Not chroot: who is in one may make no user namespaces, as PrivateUsers= does.
cd "$root"
pivot_root . mnt
exec env -i container=in-systemd PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c \
  'umount -l /mnt && exec /sbin/init --unit=in-systemd.service --log-target=journal --show-status=no'
