#!/usr/bin/env python3
"""Checks who includes whom against the allow-table of docs/ARCHITECTURE.md.

What is not listed is refused. From outside a folder only its front door may be included; the folders
of common/ are values and show all their headers. Tests may look at whatever they test."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

COMMON = ["common/std", "common/codec", "common/glib", "common/proto"]

# A folder may include, besides itself: folders (by their front door) or single headers.
ALLOW = {
    "common/std": [],
    "common/codec": ["common/std"],
    "common/glib": ["common/std"],
    "common/qr": ["common/std"],
    "common/proto": ["common/std", "common/codec", "common/glib"],
    "daemon/wire": ["common/std", "common/codec"],
    "daemon/uapi": ["common/std", "daemon/wire"],
    "daemon/path": COMMON + ["daemon/wire"],
    "daemon/net": COMMON,
    "daemon/dns": COMMON,
    "daemon/control": COMMON,
    "daemon/lock": COMMON,
    "daemon/service": COMMON,
    "daemon/bus": COMMON + ["daemon/doctor.h", "daemon/engine.h", "daemon/manage.h", "daemon/networks.h", "daemon/proxy.h", "daemon/traffic.h", "daemon/view.h", "data/dbus"],
    "daemon": COMMON + ["daemon/wire", "daemon/net", "daemon/dns", "daemon/control",
                        "daemon/lock", "daemon/path", "daemon/service", "daemon/bus", "server/relay"],
    "wg": ["common/std", "daemon/wire", "daemon/uapi"],
    "server/loop": ["common/std"],
    "server/http": ["common/std"],
    "server/relay": ["common/std", "common/codec", "server/loop"],
    "server/store": COMMON,
    "server/core": COMMON + ["server/store"],
    "server/api": COMMON + ["server/core", "server/loop", "server/http"],
    "server/admin": COMMON + ["server/core"],
    "server/ctl": COMMON,
    "server": COMMON + ["server/loop", "server/http", "server/relay", "server/store",
                        "server/core", "server/api", "server/admin", "server/ctl"],
    "cli": COMMON + ["common/qr", "data/dbus"],
    "gui": COMMON + ["common/qr", "data/dbus"],
    "gui/tray": COMMON + ["data/dbus", "gui/news.h"],
    "nm-plugin": COMMON + ["data/dbus"],
}

# The front door first; after it values that may be included beside it.
FRONT_DOORS = {
    "daemon/wire": "plane.h engines.h shards.h time.h ways.h", "daemon/uapi": "uapi.h", "daemon/path": "path.h change.h candidates.h doctor.h tech-portmap.h tech-upnp.h lan.h",
    "daemon/net": "net.h", "daemon/dns": "resolver.h hostdns.h", "daemon/control": "client.h",
    "daemon/lock": "gate.h gatelog.h verified.h compare.h", "daemon/service": "service.h", "daemon/bus": "bus.h",
    "server/loop": "loop.h", "server/http": "message.h", "server/relay": "relay.h stream.h",
    "server/store": "store.h backup.h", "server/core": "core.h", "server/api": "router.h",
    "server/admin": "admin.h", "server/ctl": "ctl.h",
}

# What a generator writes into the build directory, and the folder it belongs to. Generated tables
# (*.inc) stay in their folder.
GENERATED = {"mesh-dbus.h": "data/dbus/mesh-dbus.h"}

# Folders that live without GLib.
PLAIN_C = {"common/std", "common/codec", "daemon/wire", "daemon/uapi", "wg", "server/loop",
           "server/http", "server/relay"}
GLIB = re.compile(r"<(glib|gio|gobject|json-glib|libsoup)[/.-]")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', re.M)


def folder_of(path):
    """The row of ALLOW that a header or source belongs to: the longest that fits."""
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in ALLOW and "/".join(parts) != "data/dbus":
        parts.pop()
    return "/".join(parts)


def judge(source, target):
    """Why source may not include target; None if it may."""
    home = folder_of(source)
    target = GENERATED.get(target, target)
    there = folder_of(target)
    if "/" not in target:
        return None if target.endswith(".inc") else "is not written from the root of the tree"
    if there == home:
        return None
    allowed = ALLOW[home]
    if target in allowed:
        return None
    if there not in allowed:
        return f"{home} may not include {there or target}"
    doors = FRONT_DOORS.get(there, "").split()
    if doors and target.removeprefix(f"{there}/") not in doors:
        return f"the front door of {there} is {doors[0]}"
    return None


def main():
    findings, seen = [], 0
    for path in sorted(ROOT.rglob("*.[ch]")):
        source = path.relative_to(ROOT).as_posix()
        home = folder_of(source)
        if source.startswith(("build", "tests/")) or not home:
            continue
        seen += 1
        for match in INCLUDE.finditer(path.read_text()):
            line = path.read_text().count("\n", 0, match.start(0) + 1) + 1
            if match[2] and home in PLAIN_C and GLIB.match(match[2]):
                findings.append(f"{source}:{line}: {match[2]}: {home} is plain C, without GLib")
            why = judge(source, match[1]) if match[1] else None
            if why:
                findings.append(f'{source}:{line}: "{match[1]}": {why}')
    print("\n".join(findings + [f"layers: {seen} files, {len(findings)} findings"]))
    return 1 if findings or not seen else 0


sys.exit(main())
