#!/usr/bin/env python3
"""Writes the rows of authorize.c's table: the action of every method, and those that options of it take beside, from the interfaces' XML.
A method without the annotation gets no row, and is refused. Usage: actions.py FILE.xml … > rows"""
import sys
import xml.etree.ElementTree as ElementTree

ANNOTATION = "org.meshvpn.Mesh1.Action"


def main():
    for path in sys.argv[1:]:
        for interface in ElementTree.parse(path).getroot().iter("interface"):
            for method in interface.iter("method"):
                for note in method.findall("annotation"):
                    name, _, option = note.get("name").partition(":")
                    if name == ANNOTATION:
                        print('    { "%s", "%s", %s, "%s" },'
                              % (interface.get("name"), method.get("name"),
                                 f'"{option}"' if option else "NULL", note.get("value")))


main()
