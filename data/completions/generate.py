#!/usr/bin/env python3
"""Writes completions for bash, zsh and fish out of what the programs say of themselves with --help.

    generate.py PROGRAM… --to DIRECTORY

DIRECTORY gets PROGRAM.bash, _PROGRAM (zsh) and PROGRAM.fish of each. The programs are run: that needs no
daemon, no server and no rights."""
import argparse
import os
import pathlib
import re
import subprocess

# How the words of a kind are asked for on the computer where they are completed: the first column of a table.
LISTS = {
    "mesh": {"NETWORK": "mesh networks", "PEER": "mesh peers"},
    "mesh-server": {"NETWORK": "mesh-server network list", "NODE": "mesh-server node list",
                    "KEY": "mesh-server key list", "USER": "mesh-server user list",
                    "RELAY": "mesh-server relay list"},
}
FILES = {"FILE"}
DIRECTORIES = {"DIR"}
OPTION = re.compile(r"^\s+(?:-(\w), )?--([\w-]+)(?:[= ]([A-Za-z]\S*))?\s\s+(\S.*)$")
COMMAND = re.compile(r"^  ([a-z][\w-]*)((?: \S+)*)\s\s+(\S.*)$|^  ([a-z][\w-]*)((?: [\[A-Z-]\S*)+) (\S.*)$")


class Command:
    """The words that lead to it ("node set"; "" is the program), its arguments, options and text."""

    def __init__(self, words, text="", arguments=(), options=()):
        self.words, self.text = words, text
        self.arguments = [word.strip("[]…").split("|")[0] for word in arguments
                          if "OPTION" not in word and word not in ("COMMAND", "…")]
        self.options = list(options) # (short or "", long, value or "", text)


def ask(program, *words):
    """What "program words" prints."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
    return subprocess.run([program, *words], env=env, text=True, timeout=20, encoding="utf-8", check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def options_of(text):
    """Of GOption's help, and of what is written like it."""
    found = [OPTION.match(line) for line in text.splitlines()]
    return [(m[1] or "", m[2], m[3] or "", m[4]) for m in found if m]


def commands_of(text):
    """(name, arguments, text) of each line "  name ARGUMENT…   text"."""
    for line in text.splitlines():
        m = COMMAND.match(line)
        if m:
            name, arguments, what = m.group(1, 2, 3) if m[1] else m.group(4, 5, 6)
            yield name, arguments.split(), what


def verbs_of(command, text):
    """mesh-server's own: "mesh-server node set NODE [--json] [--name NAME]", and a line of text."""
    lines = text.splitlines()
    for head, what in zip(lines[::2], lines[1::2]):
        words = re.findall(r"\[[^]]*\]|\S+", head)[1:]
        names = [word for word in words if re.fullmatch("[a-z][a-z-]*", word)]
        options = [re.fullmatch(r"\[--([\w-]+)(?: (.*))?\]", word) for word in words if word.startswith("[--")]
        assert names[0] == command and all(options), head
        yield Command(" ".join(names), what.strip(), [word for word in words[len(names):] if word[0] != "["],
                      [("", m[1], m[2] or "", "") for m in options])


def read_program(path):
    """Its commands, the program itself first."""
    text = ask(path, "--help")
    commands = [Command("", "", [], options_of(text))]
    if not re.search(r"^Usage: \S+ .*COMMAND", text, re.M):
        return commands
    for name, arguments, what in commands_of(text):
        if name in ("help", "version", "run"):
            commands.append(Command(name, what))
            continue
        more = ask(path, name, "--help")
        if more.startswith(f"mesh-server {name}"):
            verbs = list(verbs_of(name, more))
            if verbs[0].words != name:
                commands.append(Command(name, what))
            commands += verbs
        else:
            options = [("", word.strip("[-]"), "", "") for word in arguments if word.startswith("[--")]
            commands.append(Command(name, what, [word for word in arguments if not word.startswith("[--")],
                                    options_of(more) + options))
    return commands


def choices(value):
    """The words among which an option's value is chosen: "on|off"; "" where it is anything."""
    return [word for word in value.split("|") if re.fullmatch("[a-z0-9-]+", word)]


def source(program, value, lists=("NETWORK",)):
    """What completes the value of an option, in words that all three templates know."""
    if value in FILES or value in DIRECTORIES:
        return "files" if value in FILES else "directories"
    if value in lists:
        return f"list:{LISTS[program][value]}"
    return "words:" + " ".join(choices(value)) if choices(value) else "nothing"


def argument_source(program, value):
    """The same of an argument: KEY is a join key there, and no relay's."""
    return source(program, value, LISTS.get(program, ()))


def quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash(program, commands):
    """One generic function, and tables of this program."""
    name = program.replace("-", "_")
    rows = [f"# Completion of {program} for bash, made from its own help.", f"declare -A _{name}_has _{name}_args _{name}_value"]
    for command in commands:
        key = command.words or "."
        flags = " ".join(f"--{long}{'=' if value else ''}" for _, long, value, _ in command.options)
        next_words = {other.words[len(command.words):].split()[0] for other in commands
                      if other.words != command.words and other.words.startswith(f"{command.words} ".lstrip())}
        rows.append(f"_{name}_has[{quote(key)}]={quote(' '.join(sorted(next_words) + [flags]).strip())}")
        rows.append(f"_{name}_args[{quote(key)}]={quote(chr(10).join(argument_source(program, a) for a in command.arguments))}")
        for short, long, value, _ in command.options:
            for option in [f"--{long}"] + [f"-{short}"] * bool(short) if value else []:
                rows.append(f"_{name}_value[{quote(f'{key} {option}')}]={quote(source(program, value))}")
    return "\n".join(rows) + f"""
_{name}_from() {{ # SOURCE WORD
  case $1 in
    files) _filedir ;;
    directories) _filedir -d ;;
    words:*) mapfile -t COMPREPLY < <(compgen -W "${{1#words:}}" -- "$2") ;;
    list:*) mapfile -t COMPREPLY < <(compgen -W "$(${{1#list:}} 2>/dev/null </dev/null | awk 'NR > 1 {{ print $1 }}')" -- "$2") ;;
  esac
}}
_{name}() {{
  local cur prev words cword split at key=. longer n=0 skip=
  _init_completion -s || return
  for ((at = 1; at < cword; at++)); do
    longer="$key ${{words[at]}}"
    longer="${{longer#. }}"
    if [ -n "$skip" ]; then skip=
    elif [[ ${{words[at]}} = -* ]]; then
      [[ ${{words[at]}} != *=* && -n ${{_{name}_value["$key ${{words[at]}}"]}} ]] && skip=1
    elif [ -n "${{_{name}_has["$longer"]+set}}" ]; then key=$longer n=0
    else n=$((n + 1)); fi
  done
  if [ -n "${{_{name}_value["$key $prev"]}}" ]; then
    _{name}_from "${{_{name}_value["$key $prev"]}}" "$cur"
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "${{_{name}_has["$key"]}}" -- "$cur")
  [[ ${{COMPREPLY[*]}} = *= ]] && compopt -o nospace
  if [[ $cur != -* ]]; then
    local arguments=() found=("${{COMPREPLY[@]/#-*/}}")
    mapfile -t arguments <<<"${{_{name}_args["$key"]}}"
    COMPREPLY=()
    _{name}_from "${{arguments[n]}}" "$cur"
    COMPREPLY+=($(printf '%s\\n' "${{found[@]}}" | grep .)) # words without blanks
  fi
}}
complete -F _{name} {program}
"""


def zsh_source(found):
    kind, _, rest = found.partition(":")
    if kind == "files":
        return "_files"
    if kind == "directories":
        return "_files -/"
    if kind == "words":
        return f"({rest})"
    if kind == "list":
        return '{compadd -- ${(f)"$(' + rest + " 2>/dev/null </dev/null | awk 'NR > 1 { print $1 }'" + ')"}}'
    return " "


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def zsh_arguments(program, command):
    specs = []
    for short, long, value, text in command.options:
        about = f"[{zsh_text(text)}]" if text else ""
        of = f":{zsh_text(value)}:{zsh_source(source(program, value))}" if value else ""
        specs.append(f"--{long}{'=' if value else ''}{about}{of}")
        if short:
            specs.append(f"-{short}{about}{of}")
    specs += [f":{argument}:{zsh_source(argument_source(program, argument))}" for argument in command.arguments]
    return " ".join(["_arguments"] + [quote(spec) for spec in specs])


def zsh(program, commands):
    """A tree of case statements, one for each word that leads to a command."""
    name = program.replace("-", "_")
    rows = [f"#compdef {program}", f"# Completion of {program} for zsh, made from its own help.", f"_{name}() {{"]

    def level(words, depth):
        below = [c for c in commands if c.words and " ".join(c.words.split()[:depth]) == words and
                 len(c.words.split()) == depth + 1]
        here = next(c for c in commands if c.words == words)
        if not below:
            rows.append("  " * (depth + 1) + f"(( CURRENT -= {depth} )); shift {depth} words")
            rows.append("  " * (depth + 1) + zsh_arguments(program, here))
            return
        rows.append("  " * (depth + 1) + f"if (( CURRENT == {depth + 2} )); then")
        shown = [quote(f"{c.words.split()[-1]}:{zsh_text(c.text)}") for c in below]
        rows.append("  " * (depth + 2) + f"local -a verbs=({' '.join(shown)})")
        rows.append("  " * (depth + 2) + "_describe command verbs")
        if here.options:
            rows.append("  " * (depth + 2) + zsh_arguments(program, here))
        rows.append("  " * (depth + 1) + "else")
        rows.append("  " * (depth + 2) + f"case $words[{depth + 2}] in")
        for command in below:
            rows.append("  " * (depth + 2) + command.words.split()[-1] + ")")
            level(command.words, depth + 1)
            rows.append("  " * (depth + 2) + ";;")
        rows.append("  " * (depth + 2) + "esac")
        rows.append("  " * (depth + 1) + "fi")

    level("", 0)
    return "\n".join(rows + ["}", f'_{name} "$@"', ""])


def fish(program, commands):
    """One line for each word; the condition says which words stand before it."""
    name = program.replace("-", "_")
    takes = sorted({f"--{long}" for c in commands for _, long, value, _ in c.options if value} |
                   {f"-{short}" for c in commands for short, _, value, _ in c.options if value and short})
    rows = [f"""# Completion of {program} for fish, made from its own help.
function __{name}_words # before the cursor, without options and their values
  set -l skip
  for word in (commandline -opc)[2..]
    if test -n "$skip"; set skip
    else if contains -- $word {' '.join(takes)}; set skip 1
    else if not string match -q -- '-*' $word; echo $word; end
  end
end
function __{name}_at # those words begin with these
  set -l words (__{name}_words)
  set -l n (count $argv)
  test $n = 0; or test "$words[1..$n]" = "$argv"
end
function __{name}_bare # those words are these
  test (count (__{name}_words)) = (count $argv); and __{name}_at $argv
end
complete -c {program} -f"""]
    for command in commands:
        parents = command.words.split()[:-1]
        if command.words:
            rows.append(f"complete -c {program} -n {quote(' '.join([f'__{name}_bare', *parents]))} "
                        f"-a {command.words.split()[-1]} -d {quote(command.text)}")
        here = quote(f"__{name}_at {command.words}" if command.words or len(commands) == 1 else f"__{name}_bare")
        for short, long, value, text in command.options:
            rows.append(f"complete -c {program} -n {here} -l {long}" + (f" -s {short}" if short else "") +
                        (" -x" if value else "") + fish_source(source(program, value)) + (f" -d {quote(text)}" if text else ""))
        more = fish_source(argument_source(program, command.arguments[0])) if command.arguments else ""
        if more:
            rows.append(f"complete -c {program} -n {here}{more}")
    return "\n".join(rows + [""])


def fish_source(found):
    kind, _, rest = found.partition(":")
    if kind == "files":
        return " -F"
    if kind == "directories":
        return " -a '(__fish_complete_directories)'"
    if kind == "words":
        return f" -a {quote(rest)}"
    if kind == "list":
        return f" -a {quote('(' + rest + ' 2>/dev/null </dev/null | awk ' + chr(34) + 'NR > 1 { print ' + chr(92) + '$1 }' + chr(34) + ')')}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--to", required=True, type=pathlib.Path)
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    for path in options.programs:
        program = pathlib.Path(path).name
        commands = read_program(path)
        for name, write in ((f"{program}.bash", bash), (f"_{program}", zsh), (f"{program}.fish", fish)):
            (options.to / name).write_text(write(program, commands), encoding="utf-8")


if __name__ == "__main__":
    main()
