#!/usr/bin/env python3
"""Writes the rows of authorize.c's table: the action of every method, from the interfaces' XML.
A method without the annotation gets no row, and is refused. Usage: actions.py FILE.xml … > rows"""
import sys
import xml.etree.ElementTree as ElementTree

ANNOTATION = "org.meshvpn.Mesh1.Action"


def main():
    for path in sys.argv[1:]:
        for interface in ElementTree.parse(path).getroot().iter("interface"):
            for method in interface.iter("method"):
                for note in method.findall("annotation"):
                    if note.get("name") == ANNOTATION:
                        print('    { "%s", "%s", "%s" },'
                              % (interface.get("name"), method.get("name"), note.get("value")))


main()
