"""Completion as bash, zsh and fish do it, with networks, nodes and peers of running daemons.

   [a] ══ internet ══ [server] mesh.example ══ internet ══ [b]"""
import os
import pathlib
import shutil
import subprocess
import sys

from lab import Lab, find_program
from space import REPO

MISSING = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell) is None]
BASH = """. /usr/share/bash-completion/bash_completion; . "$1/$2.bash"; shift
COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
compopt() { :; } # it wants a prompt
_"${1//-/_}"; printf '%s\\n' "${COMPREPLY[@]}"
"""
# A shell at a terminal of its own; what a Tab makes of the line is read off that terminal.
ZSH = """zmodload zsh/zpty; zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=('$1' $fpath); autoload -Uz compinit; compinit -u -D; bindkey "^I" complete-word; print READY-$((40+2))'
zpty -r shell seen '*READY-42*' || exit 1
zpty -w -n shell "$2"$'\\t'
zpty -r shell seen "*$3*" && print -r -- found
"""


def words(text):
    return sorted(word.split("\t")[0].strip() for word in text.splitlines() if word.strip())


class Shells:
    """The three, on one host, with the completions that the build has made."""

    def __init__(self, folder, programs):
        self.folder = folder
        self.path = os.pathsep.join([*programs, os.environ["PATH"]])

    def run(self, host, *argv, check=True):
        return host.run("env", f"PATH={self.path}", "HOME=/tmp", "TERM=dumb", "timeout", "120", *argv, check=check).stdout

    def bash(self, host, *line):
        return words(self.run(host, "bash", "--norc", "-c", BASH, "bash", self.folder, *line))

    def fish(self, host, *line):
        script = f"source {self.folder}/{line[0]}.fish; complete -C '{' '.join(line)}'"
        return words(self.run(host, "fish", "--no-config", "-c", script))

    def zsh(self, host, line, wanted):
        """Whether a Tab after @line makes @wanted of it."""
        return "found" in self.run(host, "zsh", "-f", "-c", ZSH, "zsh", self.folder, line, wanted, check=False)

    def both(self, host, *line):
        """What bash and fish offer, options without their '='."""
        one = [word.rstrip("=") for word in self.bash(host, *line)]
        two = self.fish(host, *line)
        assert one == two, (line, one, two)
        return one


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home", "--reusable")
        server.up()
        for node in (a, b):
            node.up()
            node.join(link)
        a.wait_until(lambda n: n.network().peers_total == 1)
        server.sh(f"install -D -m 644 {server.config} /etc/mesh-server/mesh-server.conf")
        programs = [str(pathlib.Path(find_program(name)).parent) for name in ("mesh", "mesh-server")]
        shells = Shells(str(completions()), programs)

        assert {"join", "peers", "why", "version"} <= set(shells.both(a, "mesh", ""))
        assert shells.both(a, "mesh", "ne") == ["netcheck", "networks"]
        assert shells.both(a, "mesh", "set", "--p") == ["--peer-relay", "--port", "--portmap"]
        assert shells.bash(a, "mesh", "set", "--dns=o") == ["off", "on"]
        assert shells.fish(a, "mesh", "set", "--dns=o") == ["--dns=off", "--dns=on"]
        assert shells.both(server, "mesh-server", "node", "re") == ["remove", "rename"]
        assert shells.both(server, "mesh-server", "-c", "/etc/x", "no") == ["node"]
        assert shells.both(a, "meshd", "--res") == ["--resolvconf"]
        lab.ok("commands, verbs, options and their values, of every program")

        assert shells.both(a, "mesh", "status", "") == ["home"]
        assert shells.both(a, "mesh", "ping", "") == ["b"]
        assert shells.bash(a, "mesh", "ping", "b", "") == ["home"]
        assert shells.both(server, "mesh-server", "node", "show", "") == ["a", "b"]
        assert shells.both(server, "mesh-server", "network", "delete", "h") == ["home"]
        lab.ok("networks, peers and nodes as the daemons know them")

        assert shells.zsh(a, "mesh netc", "mesh netcheck")
        assert shells.zsh(a, "mesh ping ", "mesh ping b")
        assert shells.zsh(server, "mesh-server node ren", "mesh-server node rename")
        lab.ok("the same in zsh")


def completions():
    build = os.environ.get("MESH_BUILD")
    if build:
        return pathlib.Path(build, "data/completions")
    folder = pathlib.Path(REPO, "build/completions")
    subprocess.run([sys.executable, REPO / "data/completions/generate.py", "--to", folder,
                    *map(find_program, ("mesh", "mesh-server", "meshd", "mesh-wg"))], check=True)
    return folder


if MISSING or not os.path.exists("/usr/share/bash-completion/bash_completion"):
    print("missing:", " ".join(MISSING or ["bash-completion"]))
    sys.exit(77)
main()
