#!/bin/bash
# make-runtime.sh FOLDER: a Flatpak runtime and SDK without a network, out of this Debian system's own /usr by hard links,
# installed in FOLDER. FOLDER must be new or empty and on the file system of /usr; it then holds 1.6 GB, most of it shared
# with /usr. Nothing outside of it is written.
# Never chmod inside the trees: their files are the host's. Only unlink.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
folder=$1
[ -z "$(ls -A "$folder")" ] || { echo "not empty: $folder" >&2; exit 1; }
[ "$(stat -c %d "$folder")" = "$(stat -c %d /usr)" ] || { echo "not on the file system of /usr: $folder" >&2; exit 77; }
export HOME=$folder/home FLATPAK_USER_DIR=$folder/user XDG_RUNTIME_DIR=$folder/run
mkdir -p -m 700 "$HOME" "$XDG_RUNTIME_DIR"
arch=$(flatpak --default-arch)
triplet=$(gcc -print-multiarch)
# What programs of GTK need at run time and, for the SDK, to be built; not the host's other programs' data.
lib="$triplet gcc python3 $(basename "$(readlink -f /usr/bin/python3)") pkgconfig"
share="pkgconfig glib-2.0 gir-1.0 icons/Adwaita icons/hicolor mime fontconfig fonts gettext locale/de aclocal gtk-4.0 gtk-3.0
 themes X11 xml dbus-1 wayland wayland-protocols perl perl5 polkit-1 mesonbuild metainfo"

link_tree() { # link_tree PART
  local files=$folder/$1/files name
  mkdir -p "$files/lib" "$files/share" "$files/etc"
  for name in bin sbin lib64 libexec include; do
    [ ! -e "/usr/$name" ] || cp -al "/usr/$name" "$files/"
  done
  for name in $lib; do
    [ ! -e "/usr/lib/$name" ] || cp -al "/usr/lib/$name" "$files/lib/"
  done
  for name in $share; do
    [ -e "/usr/share/$name" ] || continue
    mkdir -p "$files/share/$(dirname "$name")"
    cp -al "/usr/share/$name" "$files/share/$name"
  done
  cp -a /etc/ld.so.conf /etc/ld.so.conf.d /etc/fonts "$files/etc/"
  rm -rf "$files/lib/$triplet"/dri "$files/lib/$triplet"/libLLVM*
  find "$files" -type f -perm /6000 -delete # setuid copies: unlinked here, untouched on the host
}

commit() { # commit PART ID
  printf '[Runtime]\nname=%s\nruntime=org.meshvpn.TestPlatform/%s/1\nsdk=org.meshvpn.TestSdk/%s/1\n' \
    "$2" "$arch" "$arch" >"$folder/$1/metadata"
  ostree --repo="$folder/repo" commit --owner-uid=0 --owner-gid=0 --no-xattrs --canonical-permissions \
    --branch="runtime/$2/$arch/1" \
    --add-metadata-string=xa.metadata="$(cat "$folder/$1/metadata")"$'\n' --tree=dir="$folder/$1" >/dev/null
}

ostree --repo="$folder/repo" init --mode=bare-user-only
link_tree sdk
commit sdk org.meshvpn.TestSdk
mv "$folder/sdk" "$folder/platform"
rm -rf "$folder/platform/files/include" "$folder/platform/files/lib/gcc"
find "$folder/platform/files" -name '*.a' -delete
commit platform org.meshvpn.TestPlatform
flatpak build-update-repo "$folder/repo"
flatpak --user remote-add --no-gpg-verify test "file://$folder/repo"
flatpak --user install -y --noninteractive test org.meshvpn.TestPlatform//1 org.meshvpn.TestSdk//1
rm -rf "$folder/platform" "$folder/repo" # the installation keeps its own
