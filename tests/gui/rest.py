"""How often a program was woken."""
import re


def switches(node, pid):
    """Context switches of all its threads since it began, those that it asked for and those it did not."""
    text = node.run("sh", "-c", f"cat /proc/{pid}/task/*/status").stdout
    return sum(int(count) for count in re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE))
