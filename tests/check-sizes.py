#!/usr/bin/env python3
"""Checks the budgets of docs/ARCHITECTURE.md: files, functions, parameters, nesting, headers.

Hard limits fail. Soft ones are counted, and listed with --soft. It reads the pinned format (a function's
braces stand in column 0, blocks are 4 columns deep), so run it on formatted sources."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_SOFT, FILE_HARD = 500, 700
FUNCTION_SOFT, FUNCTION_HARD = 40, 80
PARAMETERS, NESTING, PER_HEADER, COLUMNS = 5, 3, 12, 100
BAD_NAMES = {"utils", "util", "misc", "helpers", "helper", "common", "manager"}
CONTROL = re.compile(r"^( *)(?:\} else )?(?:if|for|while|do|switch|cds_list_for_each\w*)\b")
# Callbacks whose signature a library dictates.
FOREIGN = re.compile(r"GDBusConnection \*|GDBusMethodInvocation \*|GResolverNameLookupFlags|sqlite3|"
                     r"OSSL_PARAM|unsigned char \*out, size_t \*out_len")


def strip(text):
    """The text without comments, strings and preprocessor lines, line for line."""
    def blank(match):
        return re.sub(r"[^\n]", "", match[0]) or " "
    text = re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', '""', text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def parameters_of(signature):
    """How many parameters the (last) outer parenthesis of a signature names."""
    depth, commas, inner = 0, 0, ""
    for char in signature[signature.find("("):]:
        depth += (char in "([") - (char in ")]")
        commas += char == "," and depth == 1
        inner += char
        if depth == 0:
            break
    return 0 if inner.strip() in ("()", "(void)") else commas + 1


class Report:
    def __init__(self):
        self.hard, self.soft = [], []

    def check(self, where, what, value, hard, soft=None):
        if value > hard:
            self.hard.append(f"{where}: {what} is {value}, at most {hard}")
        elif soft is not None and value > soft:
            self.soft.append(f"{where}: {what} is {value}, better at most {soft}")


def check_functions(name, lines, report):
    """Every function body: from a '{' in column 0 to its '}'."""
    start, signature = None, []
    for number, line in enumerate(lines, 1):
        if start is None and line == "{":
            start, deepest, at = number, 0, number
            head = " ".join(signature)
            if "(" in head and not FOREIGN.search(head):
                report.check(f"{name}:{number}", "parameters", parameters_of(head), PARAMETERS)
        elif start is not None and line.startswith("}"):
            if not line.endswith("};"):
                report.check(f"{name}:{start}", "function length", number - start - 1,
                             FUNCTION_HARD, FUNCTION_SOFT)
                report.check(f"{name}:{at}", "nesting", deepest, NESTING)
            start, signature = None, []
        elif start is not None:
            control = CONTROL.match(line)
            depth = len(control[1]) // 4 if control else 0
            if depth > deepest:
                deepest, at = depth, number
        else:
            signature = [] if line.endswith((";", "}")) or not line.strip() else signature + [line]


def check_header(name, text, report):
    """Prototypes and inline functions that a header shows."""
    flat = re.sub(r"^G_[A-Z_]+\(.*\)$", "", text, flags=re.M)
    flat = re.sub(r"\{[^{}]*\}", "{}", re.sub(r"\{[^{}]*\}", "{}", flat))
    count = 0
    for statement in re.split(r";|\{\}", flat):
        plain = " ".join(statement.replace('extern ""', "").split())
        if "(" not in plain or plain.startswith(("typedef", "_Static_assert", "=")):
            continue
        count += 1
        plain = re.sub(r"\b(MESH_PRINTF|G_GNUC_\w+|__attribute__)\s*\(.*", "", plain)
        if not FOREIGN.search(plain):
            report.check(f"{name}: {plain[:40]}", "parameters", parameters_of(plain), PARAMETERS)
    if not name.startswith("tests/"): # a rig is made of many small steps
        report.check(name, "functions in a header", count, PER_HEADER)


def main():
    report, seen = Report(), 0
    for path in sorted(ROOT.rglob("*.[ch]")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("build"):
            continue
        seen += 1
        raw = path.read_text()
        lines = strip(raw).split("\n")
        if path.stem in BAD_NAMES:
            report.hard.append(f"{name}: a name that says nothing")
        report.check(name, "file length", raw.count("\n"), FILE_HARD, FILE_SOFT)
        for number, line in enumerate(raw.split("\n"), 1):
            report.check(f"{name}:{number}", "line length", len(line), COLUMNS)
        check_functions(name, lines, report)
        if path.suffix == ".h":
            check_header(name, "\n".join(lines), report)
    if "--soft" in sys.argv:
        print("\n".join(report.soft))
    print("\n".join(report.hard + [f"sizes: {seen} files, {len(report.hard)} over a hard limit, "
                                   f"{len(report.soft)} over a soft one"]))
    return 1 if report.hard or not seen else 0


sys.exit(main())
