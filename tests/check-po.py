#!/usr/bin/env python3
"""Checks that all a person reads can be read in every language of po/LINGUAS.

Each file with texts stands in po/POTFILES; every text is translated, none is a guess (fuzzy), and what a program puts into
a text (%s, $(network)), its mnemonic and its line ends are the same in both languages.

   check-po.py            what is missing, and the texts it is about
   check-po.py --update   first brings po/ up to the sources: new files and texts are there, these empty; gone ones are gone"""
import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("cli", "common", "daemon", "data", "gui", "nm-plugin", "server", "wg")
KEYWORDS = ("_", "N_", "C_:1c,2", "NC_:1c,2", "ngettext:1,2", "g_dngettext:2,3", "g_dpgettext2:2c,3")
IN_C = re.compile(r'(?<![A-Za-z0-9_"])(?:_|N_|C_|NC_|g?_?d?n?gettext|g_dngettext|g_dpgettext2?)\s*\(\s*(?:NULL|GETTEXT_PACKAGE|")')
IN_UI = re.compile(r'translatable="(?:yes|true|1)"')
DESCRIPTIONS = (".desktop", ".desktop.in", ".metainfo.xml", ".metainfo.xml.in", ".policy")
PLACEHOLDER = re.compile(r"\$\(\w+\)")
MANY_WORDS = 4 # so many are not the same in two languages by chance


def has_texts(path):
    if path.name.endswith(DESCRIPTIONS):
        return True
    if path.suffix in (".c", ".h"):
        return IN_C.search(path.read_text()) is not None
    return path.suffix == ".ui" and IN_UI.search(path.read_text()) is not None


def lines_of(name):
    path = ROOT / "po" / name
    return [line for line in path.read_text().split() if line] if path.exists() else []


def find_files():
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*")
                  if path.is_file() and has_texts(path))


def check_list():
    """What is wrong with po/POTFILES."""
    listed = lines_of("POTFILES")
    wrong = [f"{name}: has texts, but is not in po/POTFILES" for name in find_files() if name not in listed]
    return wrong + [f"po/POTFILES: {name} is not there" for name in listed if not (ROOT / name).exists()]


def gettext(*command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "GETTEXTDATADIRS": str(ROOT / "po")})
    return done.returncode, done.stdout, done.stderr


def make_template(where):
    """All texts of the sources, without a translation. The time is left out: it would change with nothing else."""
    template = pathlib.Path(where) / "mesh.pot"
    status, _, said = gettext("xgettext", "--from-code=UTF-8", "--add-comments=Translators", "--package-name=mesh",
                              *[f"--keyword={word}" for word in KEYWORDS], "--files-from=po/POTFILES", f"--output={template}")
    assert status == 0, said
    template.write_text(re.sub(r'"POT-Creation-Date:.*\n', "", template.read_text()))
    return template


def entries_of(path):
    """(flags, context, text, plural, translations) of each entry in use."""
    _, text, _ = gettext("msgcat", "--no-wrap", "--no-location", path)
    for block in text.split("\n\n"):
        flags = "".join(line for line in block.splitlines() if line.startswith("#,"))
        fields = {}
        for key, value in re.findall(r'^(msg\w+(?:\[\d+\])?) ((?:".*"\n?)+)', block, re.MULTILINE):
            fields[key] = "".join(ast.literal_eval(line) for line in value.splitlines())
        if fields.get("msgid"):
            yield (flags, fields.get("msgctxt"), fields["msgid"], fields.get("msgid_plural"),
                   [value for key, value in fields.items() if key.startswith("msgstr")])


def check_entry(flags, text, plural, translations):
    """What is wrong with one translation; None: nothing."""
    if "fuzzy" in flags:
        return "a guess (fuzzy)"
    if not all(translations):
        return "not translated"
    for translation in translations:
        if set(PLACEHOLDER.findall(translation)) != set(PLACEHOLDER.findall(text)):
            return "names another $(…)"
        if translation in (text, plural) and len(re.findall(r"[A-Za-z]{2,}", text)) >= MANY_WORDS:
            return "is not translated, but copied"
    return None


def check_language(language, template, where):
    catalogue = ROOT / "po" / f"{language}.po"
    if not catalogue.exists():
        return [f"po/{language}.po: is not there"]
    merged = pathlib.Path(where) / f"{language}.po"
    wrong = []
    for path in (catalogue, merged):
        status, _, said = gettext("msgfmt", "--check", "--check-accelerators=_", "--output-file=/dev/null", path)
        wrong += said.splitlines() if status else []
        if path == catalogue: # what it lacks of the sources is then there, and empty
            status, _, said = gettext("msgmerge", "--quiet", "--no-fuzzy-matching", f"--output-file={merged}", catalogue, template)
            wrong += said.splitlines() if status else []
    for flags, _, text, plural, translations in entries_of(merged):
        complaint = check_entry(flags, text, plural, translations)
        if complaint:
            wrong.append(f"po/{language}.po: {complaint}: {text!r}")
    return list(dict.fromkeys(wrong))


def update_list():
    (ROOT / "po/POTFILES").write_text("".join(f"{name}\n" for name in find_files()))


def update(template):
    for language in lines_of("LINGUAS"):
        catalogue = ROOT / "po" / f"{language}.po"
        status, _, said = gettext("msgmerge", "--quiet", "--no-fuzzy-matching", "--add-location=file", f"--output-file={catalogue}",
                                  catalogue, template)
        assert status == 0, said
        status, _, said = gettext("msgattrib", "--no-obsolete", f"--output-file={catalogue}", catalogue)
        assert status == 0, said


def main(arguments):
    is_update = arguments == ["--update"]
    if is_update:
        update_list()
    wrong = check_list()
    if lines_of("LINGUAS"):
        if not shutil.which("xgettext"):
            print("skipped: missing gettext")
            return 77
        with tempfile.TemporaryDirectory(prefix="mesh-po-") as where:
            template = make_template(where)
            if is_update:
                update(template)
            for language in lines_of("LINGUAS"):
                wrong += check_language(language, template, where)
    for line in wrong:
        print(line)
    print(f"po: {len(lines_of('LINGUAS'))} languages, {len(wrong)} findings")
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
