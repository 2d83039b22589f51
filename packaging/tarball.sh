#!/bin/sh
# tarball.sh STAGE OUTPUT: packs what ./run build has staged (prefix /usr) for Linux systems that are not Debian: programs,
# the libraries they need beside glibc, units, D-Bus and polkit files, and install.sh. STAGE: build/root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stage=$1
out=$2
version=$("$stage/usr/bin/mesh" version | cut -d' ' -f2)
name=mesh-$version-linux-$(uname -m)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
top=$dir/$name
mkdir -p "$top/bin" "$top/lib/mesh" "$top/etc" "$out"

for program in mesh meshd mesh-server mesh-wg; do
  install -m 755 "$stage/usr/bin/$program" "$top/bin/"
  ldd "$stage/usr/bin/$program"
done | awk '$2 == "=>" && $1 !~ /^(libc|libm|libdl|librt|libpthread|libresolv)\.so/ { print $1, $3 }' | sort -u |
  while read -r soname file; do install -m 644 "$file" "$top/lib/mesh/$soname"; done
patchelf --set-rpath '$ORIGIN/../lib/mesh' "$top"/bin/*
patchelf --set-rpath '$ORIGIN' "$top"/lib/mesh/*
strip --strip-unneeded "$top"/bin/* "$top"/lib/mesh/*
# The oldest glibc that has all they ask for.
glibc=$(objdump -T "$top"/bin/* "$top"/lib/mesh/* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -1 | cut -d_ -f2)

share=$stage/usr/share
mkdir -p "$top/systemd" "$top/dbus" "$top/polkit" "$top/sysusers" "$top/man" "$top/completions"
cp "$stage"/usr/lib/systemd/system/* "$top/systemd/"
cp "$share"/dbus-1/system.d/org.meshvpn.Mesh1.conf "$share"/dbus-1/system-services/org.meshvpn.Mesh1.service "$top/dbus/"
cp -r "$share"/dbus-1/interfaces "$top/dbus/"
cp "$share"/polkit-1/actions/org.meshvpn.Mesh1.policy "$share"/polkit-1/rules.d/50-mesh.rules "$top/polkit/"
cp "$stage"/usr/lib/sysusers.d/*.conf "$top/sysusers/"
cp "$share"/man/man1/mesh.1 "$share"/man/man8/mesh*.8 "$top/man/"
cp -r "$share"/locale "$top/locale"
cp "$share"/bash-completion/completions/mesh*.bash "$top/completions/"
sed -e "s/@VERSION@/$version/; s/@GLIBC@/$glibc/; s/@MACHINE@/$(uname -m)/" "$here/install.sh" >"$top/install.sh"
chmod 755 "$top/install.sh"
cp "$here/../COPYING" "$here/../README.md" "$top/"
# The same tree gives the same file.
tar -C "$dir" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(stat -c %Y "$here/../COPYING")}" \
  -c "$name" | gzip -n9 >"$out/$name.tar.gz"
echo "$out/$name.tar.gz"
