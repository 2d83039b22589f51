#!/bin/bash
# Prepares what mesh-wg is tested beside and Debian does not have, in DIR: prepare.sh DIR
#   bin/boringtun-cli   Cloudflare's WireGuard in Rust, built by the cargo that is there
#   netns.sh            the WireGuard project's own test, out of the archive of wireguard-go at Go's module proxy
# Versions are pinned by checksum. What cannot be had is named in DIR/NAME.missing, and by the tests that skip
# for it; nothing here fails. Once made, it is kept.
set -u
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1" && cd "$1" || exit 1

BORINGTUN=0.7.1
BORINGTUN_SHA256=5957811aef42617eab3d286faf823ad83a66573a45136c5bca276d674141fcc5
WIREGUARD=v0.0.0-20260522210424-ecfc5a8d5446 # wireguard-go
NETNS_SHA256=2ff3d5c34b062721c9d06430c1921d5e3cc677946dba4ab671ecac17a217f60e
BUILD_LIMIT_S=600
DOWNLOAD_LIMIT_S=120

missing() { # NAME REASON
  printf '%s\n' "$2" >"$1.missing"
  printf '== not prepared: %s: %s\n' "$1" "$2"
}

# The crate names the checksums of all that it is built of (Cargo.lock), and its own is compared here.
has_right_crate() {
  local crate
  crate=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "boringtun-cli-$BORINGTUN.crate" | head -1)
  [ -n "$crate" ] && echo "$BORINGTUN_SHA256  $crate" | sha256sum --check --status
}

prepare_boringtun() {
  [ -x bin/boringtun-cli ] && [ "$(cat bin/version 2>/dev/null)" = $BORINGTUN ] && return
  rm -rf bin boringtun-cli.missing
  command -v cargo >/dev/null || { missing boringtun-cli "cargo is not installed"; return; }
  printf '== building boringtun-cli %s (build/peers/boringtun-cli.log)\n' $BORINGTUN
  # Not linked as one and little optimised: built in half the time, and fast enough to be talked to.
  CARGO_TARGET_DIR=target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    timeout $BUILD_LIMIT_S cargo install boringtun-cli --version "=$BORINGTUN" --locked --root made \
    </dev/null >boringtun-cli.log 2>&1 ||
    { missing boringtun-cli "cargo install failed, see build/peers/boringtun-cli.log"; return; }
  rm -rf target
  has_right_crate || { rm -rf made; missing boringtun-cli "its crate has another checksum"; return; }
  echo $BORINGTUN >made/bin/version
  mv made/bin bin
  rm -rf made
}

prepare_netns() {
  [ -f netns.sh ] && [ "$(cat netns.version 2>/dev/null)" = "$WIREGUARD" ] && return
  rm -rf netns.sh netns.version netns.sh.missing
  curl -sSfL -m $DOWNLOAD_LIMIT_S -o wireguard.zip \
    "https://proxy.golang.org/golang.zx2c4.com/wireguard/@v/$WIREGUARD.zip" 2>netns.log ||
    { missing netns.sh "cannot be downloaded, see build/peers/netns.log"; return; }
  python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile("wireguard.zip").read(sys.argv[1]))' \
    "golang.zx2c4.com/wireguard@$WIREGUARD/tests/netns.sh" >netns.part 2>>netns.log
  rm -f wireguard.zip
  echo "$NETNS_SHA256  netns.part" | sha256sum --check --status ||
    { rm -f netns.part; missing netns.sh "the one in $WIREGUARD has another checksum"; return; }
  chmod 755 netns.part && mv netns.part netns.sh
  echo "$WIREGUARD" >netns.version
}

prepare_boringtun
prepare_netns
exit 0
