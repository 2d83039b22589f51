#!/bin/sh
# source.sh OUTPUT: the release's source archive, and spec and PKGBUILD that fit it, looked over.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
list=$(mktemp)
trap 'rm -f "$list"' EXIT
if git rev-parse --git-dir >/dev/null 2>&1; then
  git ls-files --cached --others --exclude-standard | sort >"$list"
else
  find . -path ./build -prune -o -type f -print | sed 's|^\./||' | sort >"$list"
fi
# The same tree gives the same file.
tar --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(stat -c %Y COPYING)}" --transform "s|^|mesh-$version/|" \
  --no-recursion -T "$list" -c | gzip -n9 >"$out/mesh-$version.tar.gz"
sum=$(sha256sum "$out/mesh-$version.tar.gz" | cut -d' ' -f1)
sed "s/^sha256sums=.*/sha256sums=($sum)/; s/^pkgver=.*/pkgver=$version/" packaging/PKGBUILD >"$out/PKGBUILD"
sed "s/^\(Version: *\).*/\1$version/" packaging/mesh.spec >"$out/mesh-vpn.spec"
rpmlint -r packaging/mesh.rpmlintrc "$out/mesh-vpn.spec"
# makepkg wants no root, and pacman only to install.
[ "$(id -u)" != 0 ] || as_nobody="setpriv --reuid nobody --regid nogroup --clear-groups"
dir=$(mktemp -d)
trap 'rm -rf "$list" "$dir"' EXIT
cp "$out/PKGBUILD" "$out/mesh-$version.tar.gz" "$dir"
chmod 777 "$dir"
(cd "$dir" && ${as_nobody:-} env HOME="$dir" PACMAN=true makepkg --nodeps --verifysource && ${as_nobody:-} env HOME="$dir" PACMAN=true makepkg --printsrcinfo >/dev/null)
echo "$out/mesh-$version.tar.gz"
