#!/bin/sh
# Installs Mesh from this folder on a Linux system with systemd, D-Bus and polkit that has no package of it.
#
#   ./install.sh                  into /usr/local, starts the daemon
#   ./install.sh --prefix DIR     into DIR
#   ./install.sh --uninstall      takes away exactly what it has put there; keys and networks stay
#   ./install.sh --purge          those too
#
# It writes PREFIX/{bin,lib/mesh,share/...}, /etc/systemd/system, /etc/dbus-1/system.d and the folders of polkit and sysusers, and
# lists what it wrote in PREFIX/lib/mesh/installed. Run it again for a new version: what that one has no more is removed.
set -eu

VERSION=@VERSION@ GLIBC=@GLIBC@ MACHINE=@MACHINE@
here=$(cd "$(dirname "$0")" && pwd)
prefix=/usr/local
action=install

say() { printf 'mesh: %s\n' "$*"; }
die() { printf 'mesh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -gt 1 ] || die "--prefix: which folder?"; prefix=$2; shift ;;
    --uninstall) action=uninstall ;;
    --purge) action=purge ;;
    -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0"; exit 0 ;;
    *) die "no option \"$1\"; see --help" ;;
  esac
  shift
done
case $prefix in /*) ;; *) die "--prefix: a folder from /, not \"$prefix\"" ;; esac
case $prefix in *[!A-Za-z0-9/._+-]*) die "--prefix: systemd and D-Bus do not take every letter of \"$prefix\"" ;; esac
list=$prefix/lib/mesh/installed

running_systemd() { [ -d /run/systemd/system ]; }

# First all that could refuse, then the first file.
check() {
  [ "$(id -u)" = 0 ] || die "this needs root: sudo $0"
  [ "$(uname -s)-$(uname -m)" = "Linux-$MACHINE" ] || die "these programs are for Linux on $MACHINE, this is $(uname -s) on $(uname -m)"
  have=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
  [ -n "$have" ] || die "these programs need glibc $GLIBC or newer, and this system has another C library"
  [ "$(printf '%s\n%s\n' "$GLIBC" "$have" | sort -V | head -1)" = "$GLIBC" ] || die "these programs need glibc $GLIBC, this system has $have"
  if [ -e /usr/bin/meshd ] && [ "$prefix" != /usr ]; then die "/usr/bin/meshd is there: a package of this system has installed Mesh already"; fi
  [ -d /etc/dbus-1 ] || [ -d /usr/share/dbus-1 ] || die "this system has no D-Bus"
  command -v systemctl >/dev/null || die "this system has no systemd; the units in $here/systemd show what a service has to do"
  actions=/usr/share/polkit-1/actions
  [ -d "$actions" ] && [ -w "$actions" ] && return
  actions=/etc/polkit-1/actions # where /usr is read-only; newer releases of polkit look there
}

# All that is written is noted before, so that a torn install can be taken away, too; folders end in /.
make_dir() {
  [ ! -d "$1" ] || return 0
  make_dir "$(dirname "$1")"
  echo "$1/" >>"$list.new"
  mkdir "$1"
}

# put FILE MODE WHERE
put() {
  make_dir "$(dirname "$3")"
  echo "$3" >>"$list.new"
  install -m "$2" "$1" "$3.mesh-new"
  mv -f "$3.mesh-new" "$3"
}

put_unit() {
  sed "s|/usr/bin/|$prefix/bin/|g" "$1" >"$scratch"
  put "$scratch" 644 "/etc/systemd/system/$(basename "$1")"
}

make_users() {
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$here"/sysusers/*.conf
    return
  fi
  for user in meshd mesh-server; do
    id "$user" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir / --shell /usr/sbin/nologin "$user"
  done
}

start_list() {
  dirs=
  for dir in "$prefix" "$prefix/lib" "$prefix/lib/mesh"; do
    [ -d "$dir" ] || { mkdir -p "$dir"; dirs="$dirs$dir/
"; }
  done
  printf '%s' "$dirs" >"$list.new"
  [ ! -e "$list" ] || grep '/$' "$list" >>"$list.new" || true # folders that an older version has made
}

install_all() {
  check
  scratch=$(mktemp)
  trap 'rm -f "$scratch"' EXIT
  start_list
  for file in "$here"/lib/mesh/*; do put "$file" 644 "$prefix/lib/mesh/$(basename "$file")"; done
  for file in "$here"/bin/*; do put "$file" 755 "$prefix/bin/$(basename "$file")"; done
  for file in "$here"/man/*; do put "$file" 644 "$prefix/share/man/man${file##*.}/$(basename "$file")"; done
  for file in "$here"/locale/*/LC_MESSAGES/*; do put "$file" 644 "$prefix/share/${file#"$here"/}"; done
  for file in "$here"/completions/*; do put "$file" 644 "$prefix/share/bash-completion/completions/$(basename "$file")"; done
  for file in "$here"/dbus/interfaces/*; do put "$file" 644 "$prefix/share/dbus-1/interfaces/$(basename "$file")"; done
  for file in "$here"/systemd/*; do put_unit "$file"; done
  put "$here/dbus/org.meshvpn.Mesh1.conf" 644 /etc/dbus-1/system.d/org.meshvpn.Mesh1.conf
  put "$here/dbus/org.meshvpn.Mesh1.service" 644 /usr/local/share/dbus-1/system-services/org.meshvpn.Mesh1.service
  put "$here/polkit/org.meshvpn.Mesh1.policy" 644 "$actions/org.meshvpn.Mesh1.policy"
  put "$here/polkit/50-mesh.rules" 644 /etc/polkit-1/rules.d/50-mesh.rules
  echo tun >"$scratch"
  put "$scratch" 644 /etc/modules-load.d/mesh.conf
  put "$here/install.sh" 755 "$prefix/lib/mesh/install.sh"
  # What an older version had and this one has not.
  [ ! -e "$list" ] || grep -vxFf "$list.new" "$list" | grep -v '/$' | while read -r file; do rm -f "$file"; done || true
  mv "$list.new" "$list"
  make_users
  if command -v restorecon >/dev/null; then restorecon -RF "$prefix/bin" "$prefix/lib/mesh" || true; fi
  if running_systemd; then
    modprobe tun 2>/dev/null || true
    systemctl reload dbus 2>/dev/null || true
    systemctl daemon-reload
    systemctl enable --now meshd
    systemctl try-restart meshd mesh-server mesh-relay 2>/dev/null || true
  else
    systemctl enable meshd 2>/dev/null || true
  fi
  say "version $VERSION is installed in $prefix; \"mesh join\" joins a network, \"$prefix/lib/mesh/install.sh --uninstall\" takes it away"
}

uninstall() {
  [ "$(id -u)" = 0 ] || die "this needs root: sudo $0"
  [ -e "$list" ] || [ -e "$list.new" ] || die "nothing of it is in $prefix"
  if running_systemd; then
    systemctl disable --now meshd mesh-server.socket mesh-server mesh-relay.socket mesh-relay 2>/dev/null || true
  else
    systemctl disable meshd mesh-server.socket mesh-server mesh-relay.socket mesh-relay 2>/dev/null || true
  fi
  # Interfaces, routes and DNS are as they were before.
  "$prefix/bin/meshd" --undo --state-dir /var/lib/mesh --runtime-dir /run/mesh || true
  "$prefix/bin/meshd" --resolvconf --state-dir /var/lib/mesh-resolvconf --runtime-dir /run/mesh || true
  remove=$(mktemp)
  cat "$list" "$list.new" 2>/dev/null | sort -ru >"$remove"
  rm -f "$list" "$list.new"
  while read -r file; do
    case $file in
      */) [ ! -d "$file" ] || rmdir "$file" 2>/dev/null || true ;; # somebody else's files keep it
      *) rm -f "$file" "$file.mesh-new" ;;
    esac
  done <"$remove"
  rm -f "$remove"
  if running_systemd; then systemctl daemon-reload; fi
  if [ "$action" = purge ]; then
    rm -rf /var/lib/mesh /var/lib/mesh-resolvconf /var/lib/mesh-server /run/mesh /run/mesh-server /etc/mesh-server
    for user in meshd mesh-server; do userdel "$user" 2>/dev/null || true; done
    say "it is gone, with its keys and networks"
  else
    say "it is gone; keys and networks stay in /var/lib/mesh and /var/lib/mesh-server (--purge removes them)"
  fi
}

case $action in
  install) install_all ;;
  *) uninstall ;;
esac
