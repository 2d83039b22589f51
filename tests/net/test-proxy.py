"""A host whose only way out is an HTTP proxy that wants a name and a password: the user tells meshd of
it, and then it joins, and other nodes reach it through a relay over TLS.

   [a] ─ router that lets only the proxy pass ══ wan ══ [proxy] [server] [b]"""
import pathlib

from lab import Lab, need, wait_until
from onway import Proxy
from space import find_program

need("nft", "conntrack")

GNOME = ("lib/*/gio/modules/libgiognomeproxy.so", "share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml")
SECRET = "dig%3Adeep" # as it stands in a URL


def status_of(proxy):
    return [status for _, status in proxy.connects()]


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        proxy = Proxy(lab, user="mole", password="dig:deep")
        router = lab.nat("ra", kind="proxy-only", proxy=(proxy.address, proxy.port))
        a, b = lab.node("a", behind=router), lab.node("b")
        for node in (a, b):
            node.up()
        assert b.join(lab.server.key("home")).returncode == 0
        key = lab.server.key("home")
        assert a.mesh("proxy").stdout == "auto\n"
        check_refused(lab, a)
        a.mesh("proxy", "-", text=f"http://mole:wrong@{proxy.address}:{proxy.port}\n")
        assert a.join(key, check=False).returncode == 6
        assert set(status_of(proxy)) == {407}
        lab.ok("without the password nobody gets through")
        a.mesh("proxy", "-", text=f"http://mole:{SECRET}@{proxy.address}:{proxy.port}\n")
        a.join(key)
        assert 200 in status_of(proxy)
        assert a.mesh("proxy").stdout == f"http://{proxy.address}:{proxy.port}\n"
        assert f'"http://{proxy.address}:{proxy.port}"' in a.mesh("proxy", "--json").stdout
        lab.ok("a node joins by the proxy that its user named")
        check_traffic(lab, a, b)
        check_silence(lab, a)
        check_restart(lab, a, b, proxy)
        if all(any(pathlib.Path("/usr").glob(place)) for place in GNOME):
            check_desktop(lab, a, b, proxy)
        else:
            print("# not tested: glib-networking or gsettings-desktop-schemas is missing")
        check_others(lab, a)


def check_refused(lab, a):
    for bad, why in (("http://mole:dig@10.0.0.1:3128", "standard input"), ("socks5://10.0.0.1", "http"),
                     ("http://10.0.0.1:99999", "port"), ("ftp", None)):
        done = a.mesh("proxy", bad, check=False)
        if why is None: # a host's name, with curl's usual port
            assert done.returncode == 0
            continue
        assert done.returncode != 0 and why in done.stderr, (bad, done)
    assert a.mesh("proxy").stdout == "http://ftp:1080\n"
    a.mesh("proxy", "auto")
    lab.ok("a password on the command line, and what is no HTTP proxy, is refused")


def check_traffic(lab, a, b):
    a.wait_until(lambda s: "b" in s.peers() and s.peers()["b"].path == "relay", 30, "a relay over TLS")
    a.reaches(b.addresses()[4])
    b.reaches(a.addresses()[4])
    wait_until(lambda: a.ping(b.addresses()[4], count=20).lost == 0, 60, "twenty answers")
    lab.ok("both reach each other by the relay, through the proxy")


def check_silence(lab, a):
    log = a.log("meshd") + a.mesh("log").stdout + a.mesh("status", "--json").stdout
    assert "dig:deep" not in log and SECRET not in log and "bW9sZTpkaWc6ZGVlcA" not in log
    assert a.run("stat", "-c", "%a %U", "/var/lib/mesh/proxy").stdout == "600 meshd\n"
    lab.ok("the password is in no log, and in a file that only meshd may read")


def check_restart(lab, a, b, proxy):
    before = len(proxy.connects())
    a.restart(kill=True)
    assert a.mesh("proxy").stdout == f"http://{proxy.address}:{proxy.port}\n"
    a.wait_until(lambda s: "b" in s.peers() and s.peers()["b"].path in ("relay", "idle"), 30, "peers")
    a.reaches(b.addresses()[4])
    assert len(proxy.connects()) > before
    lab.ok("after SIGKILL the same proxy is used")
    proxy.host.stop("proxy", kill=True)
    wait_until(lambda: a.ping(b.addresses()[4], limit_s=1).lost == 1, 20, "the tunnel is gone")
    proxy.start()
    a.reaches(b.addresses()[4], limit_s=60)
    lab.ok("the proxy is killed and comes back, and with it the way")


def check_desktop(lab, a, b, proxy):
    """GNOME's settings: the proxy, its password, and the hosts that need none."""
    a.run("sh", "-c", "mkdir -p /run/user/glib-2.0/settings; cat > /run/user/glib-2.0/settings/keyfile", text=f"""
[system/proxy]
mode='manual'
ignore-hosts=['localhost', '10.9.0.0/16']
[system/proxy/https]
host='{proxy.address}'
port={proxy.port}
[system/proxy/http]
host='{proxy.address}'
port={proxy.port}
use-authentication=true
authentication-user='mole'
authentication-password='dig:deep'
""")
    a.mesh("proxy", "none")
    done = a.run("env", "XDG_CONFIG_HOME=/run/user", "GSETTINGS_BACKEND=keyfile", "XDG_CURRENT_DESKTOP=GNOME",
                 find_program("mesh"), "proxy", "desktop", check=False)
    assert done.stdout == f"http://{proxy.address}:{proxy.port}\nexcept localhost,10.9.0.0/16\n", done
    before = len(proxy.connects())
    a.restart()
    a.reaches(b.addresses()[4], limit_s=60)
    assert status_of(proxy)[before:].count(200) > 0 and 407 not in status_of(proxy)[before:]
    check_silence(lab, a)
    lab.ok("mesh proxy desktop: GNOME's proxy with its password, and the hosts it leaves out")


def check_others(lab, a):
    a.mesh("proxy", "none")
    a.wait_until(lambda s: s.network().server_state != "connected", 40, "no way to the server")
    assert a.mesh("proxy").stdout == "none\n"
    lab.ok("mesh proxy none: the server cannot be reached any more")


main()
