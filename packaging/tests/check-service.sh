#!/bin/bash
# The service host-sim as an operator meets it, in a booted system where the
# packages are installed: disabled, in its sandbox, started, given mail, asked,
# reloaded, upgraded, stopped, removed, purged.
#
#   check-service.sh MSYS-HOST-SIM.deb
set -eu

deb=$1
socket=/run/host-sim/control
maildir=/var/lib/host-sim/mail

fail() {
  echo "check-service: $*" >&2
  journalctl --no-pager --quiet --lines 30 --unit host-sim >&2 || true
  exit 1
}
is() { systemctl "is-$1" --quiet host-sim; }
ask() { host-sim --control $socket "$@"; }
pid() { systemctl show --property MainPID --value host-sim; }

! is enabled || fail "it is enabled"
! is active || fail "it runs without having been started"
systemd-analyze verify --man=no host-sim.service 2>&1 | grep host-sim && fail "systemd finds fault with the unit"
# 10 is a service without any sandbox; most of Debian's have more than 9.
systemd-analyze security --no-pager --threshold=15 host-sim.service >/tmp/security ||
  fail "the sandbox has become weaker: $(tail -1 /tmp/security)"
echo "disabled; sandbox: $(sed -n 's/.*Overall exposure level for //p' /tmp/security)"

# What is offered, in the sandbox too.
sed -i 's/^# Metrics /Metrics /' /etc/msys/listener.conf
systemctl start host-sim || fail "it does not start"
systemctl show --property StatusText host-sim | grep -q 'takes mail on 127.0.0.1:2525' ||
  fail "it does not say what it does: $(systemctl show --property StatusText host-sim)"
printf '%s\r\n' 'From: a@example.com' 'To: b@example.com' 'Subject: a mail' '' 'to be kept' |
  curl --silent --show-error smtp://127.0.0.1:2525 --mail-from a@example.com \
    --mail-rcpt b@example.com --upload-file - || fail "it does not take a mail"
mapfile -t kept < <(find $maildir/ -type f -path '*/new/*')
[ "${#kept[@]}" -eq 1 ] || fail "${#kept[@]} mails in $maildir/new instead of one"
grep -q 'to be kept' "${kept[0]}" || fail "the mail in $maildir is another one"
owner=$(stat -c '%u %a' "${kept[0]}")
[[ $owner = *' 600' && $owner != '0 '* ]] ||
  fail "the mail's owner and mode are $owner; it should be a user's of its own and nobody else's"
ask threads CPU stats | grep -q 'Total invocations: [1-9]' ||
  fail "no policy ran a closure: $(ask threads CPU stats)"
curl --silent --show-error http://127.0.0.1:9464/metrics |
  grep -q '^hostsim_sessions_ended_total{.*accepted.*} 1$' || fail "its metrics know of no mail"
echo "a mail through its policies into $maildir"

before=$(pid)
sed -i 's/Concurrency = 4 /Concurrency = 7 /' /etc/msys/runinpool.conf
systemctl reload host-sim || fail "it does not reload"
ask threads CPU stats | grep -q 'concurrency 7' || fail "reload changes nothing"
echo 'ThreadPool {' >>/etc/msys/runinpool.conf
! systemctl reload host-sim 2>/dev/null || fail "it reloads a broken configuration"
sed -i '$d' /etc/msys/runinpool.conf
[ "$(pid)" = "$before" ] || fail "it was restarted by a reload"
echo "reload: follows the configuration, refuses a broken one"

dpkg -i "$deb" >/tmp/dpkg 2>&1 || fail "$(cat /tmp/dpkg)"
is active || fail "it does not run after an upgrade"
[ "$(pid)" != "$before" ] || fail "an upgrade leaves the old program running"
ask help >/dev/null || fail "its console does not answer"
! is enabled || fail "an upgrade enables it"
echo "upgrade: restarted, still disabled"

sed -i 's/127.0.0.1:2525/192.0.2.1:2525/' /etc/msys/listener.conf
! systemctl restart host-sim 2>/dev/null || fail "a start without its address succeeds"
journalctl --no-pager --unit host-sim | grep -q 'cannot listen on 192.0.2.1:2525' ||
  fail "the log does not say that there is no such address"
systemctl stop host-sim
sed -i 's/192.0.2.1:2525/127.0.0.1:2525/' /etc/msys/listener.conf
systemctl start host-sim || fail "it does not start again"
echo "start: fails when it cannot listen, and says why"

systemctl stop host-sim
[ "$(systemctl show --property Result --value host-sim)" = success ] ||
  fail "it does not stop well: $(systemctl show --property Result,ExecMainStatus host-sim)"
systemctl start host-sim
ask help >/dev/null || fail "its console does not answer"
dpkg --remove msys-host-sim >/tmp/dpkg 2>&1 || fail "$(cat /tmp/dpkg)"
! is active || fail "it still runs when its package is gone"
[ -e "${kept[0]}" ] || fail "remove took the mail"
dpkg --purge msys-host-sim >/tmp/dpkg 2>&1 || fail "$(cat /tmp/dpkg)"
left=$(find /etc /run /usr /var /lib -xdev \( -path /var/log/journal -o -path /run/log \
  -o -path '/run/systemd/*' -o -path /usr/share/msys/lua \) -prune -o \( -name '*host-sim*' -o -name 'listener.conf' \) -print)
[ -z "$left" ] || fail "purge left: $left"
echo "remove: stopped, mail kept; purge: nothing left"
