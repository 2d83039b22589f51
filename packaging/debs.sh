#!/bin/sh
# debs.sh OUTPUT: builds the Debian packages out of a copy of this tree, and looks at them with lintian.
# The copy has what is in the working tree and not ignored, so a change need not be committed to be tried.
set -eu
cd "$(dirname "$0")/.."
out=$(mkdir -p "$1" && cd "$1" && pwd)
rm -rf "$out/source" && rm -f "$out"/*.deb "$out"/*.buildinfo "$out"/*.changes
mkdir "$out/source"
if git rev-parse --git-dir >/dev/null 2>&1; then
  git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$out/source"
else
  tar -c --exclude=./build --exclude=./debian/.debhelper . | tar -x -C "$out/source"
fi
cd "$out/source"
dpkg-buildpackage -b -uc -us >"$out/build.log" 2>&1 ||
  { grep -E 'error|missing' "$out/build.log" | tail -20; echo "debs.sh: the build failed; all of it is in $out/build.log" >&2; exit 1; }
cd "$out" && rm -rf source
lintian --allow-root --fail-on error "$out"/*.changes 2>/dev/null || { echo "debs.sh: lintian found errors" >&2; exit 1; }
ls "$out"/*.deb
