"""What mesh-wg is tested beside and Debian does not have: tests/peers/prepare.sh makes it, as ./run test
does, in build/peers. $MESH_BORINGTUN and $MESH_NETNS_SH name other copies."""
import os
import pathlib
import shutil

PEERS = pathlib.Path(__file__).resolve().parent.parent.parent / "build/peers"


def find_boringtun():
    """The path of boringtun-cli, or None."""
    prepared = str(PEERS / "bin/boringtun-cli")
    return os.environ.get("MESH_BORINGTUN") or shutil.which(prepared) or shutil.which("boringtun-cli")


def find_netns_sh():
    """The path of wireguard-go's tests/netns.sh, or None."""
    path = os.environ.get("MESH_NETNS_SH", str(PEERS / "netns.sh"))
    return path if os.path.isfile(path) else None


def why_missing(name):
    """The name with the reason that was found when it was to be prepared."""
    try:
        return f"{name} ({(PEERS / f'{name}.missing').read_text(encoding='utf-8').strip()})"
    except OSError:
        return f"{name} (tests/peers/prepare.sh build/peers)"
