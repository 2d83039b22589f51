#!/usr/bin/env python3
"""The checks of the tree can fail: each is run on a small tree with one thing wrong, and has to name it."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LONG = "\n".join(f"    a{i}();" for i in range(81))
CASES = (
    # check, file, text, what it must say (None: passes)
    ("layers", "common/std/a.c", '#include "common/std/b.h"\n#include <sodium.h>\n', None),
    ("layers", "common/std/a.c", '#include "common/glib/error.h"\n', "common/std may not include"),
    ("layers", "common/std/a.c", "#include <glib.h>\n", "plain C, without GLib"),
    ("layers", "daemon/engine.c", '#include "daemon/wire/plane.h"\n', None),
    ("layers", "daemon/engine.c", '#include "daemon/wire/peer.h"\n', "front door of daemon/wire"),
    ("layers", "daemon/net/net.c", '#include "daemon/control/client.h"\n', "may not include"),
    ("layers", "cli/main.c", '#include "daemon/bus/bus.h"\n', "may not include"),
    ("layers", "cli/main.c", '#include "output.h"\n', "from the root"),
    ("sizes", "common/std/a.c", "int a(int b)\n{\n    return b;\n}\n", None),
    ("sizes", "common/std/a.c", f"void a(void)\n{{\n{LONG}\n}}\n", "function length is 81"),
    ("sizes", "common/std/a.c", "void a(int a, int b, int c, int d, int e, int f)\n{\n}\n",
     "parameters is 6"),
    ("sizes", "common/std/a.c", "int a(int b)\n{\n    if (b)\n        while (b)\n            if (b)\n"
     "                if (b)\n                    b--;\n}\n", "nesting is 4"),
    ("sizes", "common/std/a.h", "".join(f"int a{i}(int b);\n" for i in range(13)),
     "functions in a header is 13"),
    ("sizes", "common/std/a.h", "int a(int a, int b,\n      int c, int d, int e, int f);\n",
     "parameters is 6"),
    ("sizes", "common/std/a.c", "/* x */\n" * 701, "file length is 701"),
    ("sizes", "common/std/a.c", f"/* {'x' * 100} */\n", "line length"),
    ("po", "gui/a.c", 'g_print("%s", _("Mesh"));\n', "gui/a.c: has texts, but is not in po/POTFILES"),
    ("po", "cli/a.c", "CliEntry a = { N_(\n    \"Name\") };\n", "cli/a.c: has texts"),
    ("po", "gui/ui/a.ui", '<property name="label" translatable="yes">Name</property>\n', "gui/ui/a.ui: has texts"),
    ("po", "data/polkit/a.policy", "<policyconfig/>\n", "data/polkit/a.policy: has texts"),
    ("po", "gui/a.c", 'g_print("%s", get_(name));\n', None),
    ("sizes", "common/std/utils.c", "int a;\n", "a name that says nothing"),
)
LOGS = (
    ([{"result": "OK", "stdout": "ok 1 a\nok 2 b\n1..2\n"}], "2 0 0"),
    ([{"result": "OK", "stdout": "ok 1 a\nok 2 b # SKIP no\n"}], "1 0 1"),
    ([{"result": "FAIL", "stdout": "ok 1 a\nnot ok 2 b\n"}], "1 1 0"),
    ([{"result": "ERROR", "stdout": "ok 1 a\n"}], "1 1 0"),
    ([{"result": "TIMEOUT"}], "0 1 0"),
    ([{"result": "SKIP", "stdout": "skipped: missing root\n"}], "0 0 1"),
    ([{"result": "OK"}, {"result": "OK"}], "2 0 0"),
    ([], "0 1 0"),
)


def run_check(where, check, file, text):
    """(exit status, output) of a check on a tree with this one file."""
    tree = pathlib.Path(tempfile.mkdtemp(dir=where))
    (tree / "tests").mkdir()
    (tree / file).parent.mkdir(parents=True, exist_ok=True)
    (tree / file).write_text(text)
    shutil.copy(HERE / f"check-{check}.py", tree / "tests")
    done = subprocess.run([sys.executable, tree / "tests" / f"check-{check}.py"],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    points = []
    with tempfile.TemporaryDirectory(prefix="mesh-checks-") as where:
        for check, file, text, want in CASES:
            status, said = run_check(where, check, file, text)
            points.append(((status == 0 and "Traceback" not in said) if want is None else
                           (status == 1 and want in said), f"{check}: {want or 'passes'}", said))
        for number, (entries, want) in enumerate(LOGS):
            log = pathlib.Path(where) / f"{number}.json"
            log.write_text("".join(json.dumps({"name": "t", **entry}) + "\n" for entry in entries))
            done = subprocess.run([sys.executable, HERE / "count-results.py", log],
                                  capture_output=True, text=True, check=False)
            points.append((done.stdout.strip() == want, f"results: {want}", done.stdout))
    print(f"1..{len(points)}")
    for number, (holds, name, said) in enumerate(points, 1):
        print(f"{'ok' if holds else 'not ok'} {number} - {name}")
        if not holds:
            print("".join(f"# {line}\n" for line in said.splitlines()), end="")


main()
