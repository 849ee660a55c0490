#!/bin/bash
# Every option, configuration key, Lua name, ABI function and status has an entry
# in a man page, and the man pages have no other.  What the code has is asked of
# the code: host-sim's help, its parser, a policy that lists what it sees,
# plugin.h.  And groff, which man calls, and mandoc find no fault with
# the pages.
#
#   packaging/tests/check-man.sh BUILD_DIR
set -eu

build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
man=$top/packaging/man
header=$top/plugin/include/msys/plugin.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# clean LINTER COMMAND...: it has nothing to say of any page.
clean() {
  local linter=$1 page
  shift
  command -v "$linter" >/dev/null || {
    echo "$linter: not installed, not asked"
    return
  }
  for page in "$work"/pages/*; do
    "$@" "$page" >"$work/diff" 2>&1 || echo "status $?" >>"$work/diff"
    [ ! -s "$work/diff" ] || {
      sed "s|^|check-man: $linter: |" "$work/diff" >&2
      failed=1
    }
  done
  echo "$linter: $(find "$work/pages" -type f | wc -l) pages"
}
mkdir "$work/pages"
for page in "$man"/*.in; do
  sed 's/@DATE@/2000-01-01/; s/@[A-Za-z_]*@/x/g' "$page" >"$work/pages/$(basename "$page" .in)"
done
clean groff groff -z -ww -man -Tutf8
clean mandoc mandoc -T lint -W warning

# entries PAGE: a line "section<TAB>subsection<TAB>text" for each .TP and .TQ.
entries() {
  perl -ne '
    s/\\-/-/g; s/\\\(dq//g; s/\\\(->\s*//g; s/\\f.//g;
    if (/^\.SH "?([^"\n]+)/) { ($sh, $ss) = ($1, ""); }
    elsif (/^\.SS (.+)/) { $ss = $1; }
    elsif (/^\.T[PQ]/) { $next = 1; }
    elsif ($next) { $next = 0; s/^\.[BIR]+ //; s/"//g; print "$sh\t$ss\t$_"; }
  ' "$man/$1.in"
}

# compare WHAT PAGE: the lists that are in $work/code and $work/man.
compare() {
  sort -u "$work/code" -o "$work/code"
  sort -u "$work/man" -o "$work/man"
  [ -s "$work/code" ] || {
    echo "check-man: found no $1 in the code; this test needs mending" >&2
    failed=1
  }
  comm -23 "$work/code" "$work/man" | sed "s|.*|check-man: $1 & is not in $2|" >"$work/diff"
  comm -13 "$work/code" "$work/man" |
    sed "s|.*|check-man: $2 has $1 &, which the code has not|" >>"$work/diff"
  if [ -s "$work/diff" ]; then
    cat "$work/diff" >&2
    failed=1
  else
    echo "$1: $(wc -l <"$work/code") in $2"
  fi
}

# Options, of getopt's table and of --help
entries host-sim.1 | grep '^OPTIONS' | grep -oE -e '--[a-z-]+' >"$work/man"
sed -nE 's/^ *\{"([a-z-]+)", [a-z]+_argument,.*/--\1/p' "$top/host-sim/options.cpp" >"$work/code"
compare option 'host-sim(1)'
"$build/host-sim/host-sim" --help |
  sed -nE 's/^ +(-[a-z], +)?(--[a-z-]+).*/\2/p' >"$work/code"
compare 'option of --help' 'host-sim(1)'

# Stanzas and keys, as "Lua Script Source"; the parser's tables name one another.
perl -0777 -e '
  for my $file (@ARGV) {
    open my $in, "<", $file or die "$file: $!";
    $_ = <$in>;
    while (/cfg_opt_t (\w+)\[\] = \{(.*?)CFG_END/sg) {
      my ($table, $rows) = ($1, $2);
      push @{$rows{$table}}, [$1, $2, $3]
        while $rows =~ /CFG_(\w+)\(\s*"(\w+)"\s*,\s*(\w*)/g;
    }
  }
  sub walk {
    my ($table, $path) = @_;
    for my $row (@{$rows{$table}}) {
      my ($kind, $name, $next) = @$row;
      if ($kind eq "SEC") { walk($next, "$path$name "); }
      else { print "$path$name\n"; }
    }
  }
  walk("root", "");
' "$top"/host-sim/config*.cpp >"$work/code"
entries host-sim.conf.5 | perl -F'\t' -lane '
  next unless $F[0] eq "STANZAS";
  my $stanza = $F[1] eq "Top level" ? "" : join " ", grep { $_ ne "name" } split " ", $F[1];
  $F[2] =~ /^(\w+)/ and print $stanza ? "$stanza $1" : $1;
' >"$work/man"
compare key 'host-sim.conf(5)'

# Metrics
grep -ohE '"(msys|hostsim)_[a-z_]+"' "$top/host-sim/metrics_families.cpp" | tr -d '"' >"$work/code"
entries host-sim.1 | sed -n 's/^METRICS\t[^\t]*\t//p' >"$work/man"
compare metric 'host-sim(1)'

# What policies see
cat >"$work/conf" <<END
Plugin "runinpool" { Path = "$build/plugin/runinpool.so" }
Lua { Max_States = 1  Script "names" { Source = "$here/names.lua" } }
END
"$build/host-sim/host-sim" --config "$work/conf" "$top/host-sim/corpus/plain.eml" \
  >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
{
  sed -n 's/.*NAME\t//p' "$work/log"
  # Fields that are computed when they are read.
  for type in ac msg part; do
    sed -nE "s/.*strcmp\(.*\"([a-z_]+)\"\) == 0.*/$type.\1/p" "$top/host-sim/lua_$type.cpp"
  done
  sed -n '/"id") == 0/s/.*/msg.id/p' "$top/host-sim/lua_msg.cpp"
  grep -oE '"validate_[a-z_]+"' "$top/host-sim/phase.cpp" | tr -d '"' | grep -v unknown
  echo init
} >"$work/code"
{
  entries host-sim.1 | grep -P '^POLICIES\t' | cut -f3
  entries msys-runInPool.3lua | grep -P '^(FUNCTIONS|DATA SHARING)\t' | cut -f3
  entries msys-runInPool.3lua | sed -n 's/^CONSTANTS\t\t/msys.core./p'
  entries msys-runInPool.3lua | sed -n 's/^FIGURES OF A POOL\t\t/stat./p'
} | sed 's/[( ].*//' >"$work/man"
compare 'Lua name' 'msys-runInPool(3lua) or host-sim(1)'

# The plugin's, as the annotations for editors have them, without constants and
# fields.
if [ -e "$top/lua/msys.d.lua" ]; then
  sed -nE 's/^function ([A-Za-z_.:]+)\(.*/\1/p' "$top/lua/msys.d.lua" |
    grep -E '^(msys|thread)\.[a-z]' >"$work/code"
  entries msys-runInPool.3lua | cut -f3 | sed 's/[( ].*//' |
    grep -E '^(msys|thread)\.[a-z]+[A-Za-z.]*$' |
    grep -v '^msys\.core\.[A-Z]' >"$work/man"
  compare 'function of msys.d.lua' 'msys-runInPool(3lua)'
fi

# The ABI: functions, by the struct they are in, and statuses
perl -ne '
  s{/\*.*?\*/}{}g;
  $struct = $1 if /^typedef struct (\w+) \{/;
  print "$struct $1\n" if defined $struct && /^  \w[\w* ]*\(\*(\w+)\)\(/;
  undef $struct if /^\}/;
' "$header" | grep -E '^(msys_api|msys_host|msys_callout|msys_task) ' >"$work/code"
entries msys-plugin.3 | perl -F'\t' -lane '
  my ($name) = $F[2] =~ /^(\w+)/;
  print "msys_api $name" if $F[0] eq "FUNCTIONS";
  print "$1 $name" if $F[0] eq "WHAT THE HOST GIVES" && $F[1] =~ /struct (\w+)/;
' >"$work/man"
compare 'ABI function' 'msys-plugin(3)'
grep -oE '^#define MSYS_(OK|E_[A-Z_]+) ' "$header" | grep -oE 'MSYS_[A-Z_]+' >"$work/code"
entries msys-plugin.3 | sed -n 's/^STATUS\t\t//p' >"$work/man"
compare status 'msys-plugin(3)'

exit $failed
