"""The harness of desktop tests: what it says of a window is so, two desktops of one node see nothing of each other,
and a user of it has the rights that the test gave.

   [a] ann, bob: a desktop each · meshd, polkitd          [server] mesh.example"""
from desk import HERE, PYTHON, Desk, Lab, need_desktop, open_seats, wait_until


def launch_sample(desk, *arguments, key="sample"):
    desk.node.run("cp", HERE / "sample.py", "/run/desk/sample.py")
    desk.node.run("chmod", "a+r", "/run/desk/sample.py")
    return desk.launch(PYTHON, "/run/desk/sample.py", *arguments, key=key)


def reads_and_acts(lab, desk):
    window = launch_sample(desk)
    window.find("label", "waiting")
    window.click("push button", "Press")
    window.find("label", "pressed")
    window.gone("label", "waiting")
    lab.ok("a button is found by its name and clicked, and a label tells that it was")

    window.find("text", "Word").fill("one")
    desk.activate("Sample")
    window.go_to("text", "Word")
    desk.key("End")
    desk.type(" two")
    desk.key("Return")
    window.find("label", "got one two")
    assert window.find("text", "Word").text() == "one two"
    window.mouse("Sample", "list item", None, lambda: window.all("label", "row"))
    lab.ok("an entry takes a text at once and by keys, and a row takes the mouse")

    window.click("push button", "Copy")
    assert wait_until(desk.clipboard, 20, "the clipboard") == "from the window"
    desk.put_clipboard(text="from outside")
    assert desk.clipboard() == "from outside"
    window.click("push button", "Tell")
    note = wait_until(desk.notes, 20, "a notification")[0]
    assert (note["title"], note["body"]) == ("A title", "and more"), note
    lab.ok("clipboard and notifications are those of the desktop")
    assert window.unnamed() == [], window.unnamed()
    desk.picture("desk")
    desk.stop("sample")


def sees_what_is_nameless(lab, desk):
    window = launch_sample(desk, "--nameless", key="nameless")
    assert [node.role for node in window.unnamed()] == ["push button"], window.tree()
    lab.ok("a control without a name is found")


def rights(lab, ann, bob):
    address = "org.meshvpn.Mesh1"
    down = ("gdbus", "call", "--system", "-d", address, "-o", f"/org/meshvpn/Mesh1/network/{ann.node.network().id}",
            "-m", f"{address}.Network.Down", "{}")
    refused = bob.run(*down, check=False)
    assert refused.returncode != 0 and "NotAuthorized" in refused.stderr, refused
    assert ann.node.network().state == "up"
    ann.run(*down)
    assert ann.node.network().state == "down"
    lab.ok("an active user may disconnect, one without a session may not")


def main():
    need_desktop()
    with Lab() as lab:
        node = open_seats(lab.node("a"), ann="active")
        link = lab.server.setup("home")
        lab.server.up()
        node.up()
        node.join(link)
        ann, bob = Desk(node, "ann"), Desk(node, "bob", wm=False)
        reads_and_acts(lab, ann)
        sees_what_is_nameless(lab, bob)
        rights(lab, ann, bob)


main()
