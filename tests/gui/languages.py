"""Languages in a lab: the catalogues that the build has made, where programs look for them."""
import gettext
import json
import os
import pathlib

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MESH_BUILD", REPO / "build/obj"))


def codes():
    return (REPO / "po/LINGUAS").read_text().split()


def catalogue(code):
    return BUILD / f"po/{code}/LC_MESSAGES/mesh.mo"


def texts(code):
    """What each English text is in a language, as a screen reader hears it: without the mark of a mnemonic."""
    with open(catalogue(code), "rb") as file:
        known = gettext.GNUTranslations(file)
    plain = {text.replace("_", ""): said.replace("_", "") for text, said in known._catalog.items() if isinstance(text, str)}
    plain.pop("", None)
    return plain


def show_languages(node):
    """Lets the programs of a node find all catalogues of the build tree where they would be installed."""
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    prefix = next(option["value"] for option in options if option["name"] == "prefix")
    node.run("sh", "-ec", f"""
        there={prefix}/share/locale
        while [ ! -d "$there" ]; do there=$(dirname "$there"); done
        mkdir -p /run/words/up /run/words/work
        mount -t overlay overlay "$there" -o "lowerdir=$there,upperdir=/run/words/up,workdir=/run/words/work"
        for code in {" ".join(codes())}; do
          mkdir -p "{prefix}/share/locale/$code/LC_MESSAGES"
          cp "{BUILD}/po/$code/LC_MESSAGES/mesh.mo" "{prefix}/share/locale/$code/LC_MESSAGES/"
        done
        chmod -R a+rX {prefix}/share/locale""")
