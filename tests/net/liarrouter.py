"""A home router that lies when asked for a port: hostile, broken or odd. Run in its namespace.

  liarrouter.py GATEWAY MODE     answers PCP and NAT-PMP on GATEWAY:5351, UPnP by SSDP and HTTP on port 5000

MODE is one of PACKET or of WEB; those of the other protocols are not spoken then. What is worth
knowing is printed: "ready", "asked WHAT", "strayed PATH" when something asks where it must not."""
import http.server
import socket
import socketserver
import struct
import sys
import threading

PUBLIC = "5.5.5.1"
DEVICE = """<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<controlURL>{control}</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL>
</service></serviceList></device></root>"""
ANSWER = """<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<u:{what}Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">{more}</u:{what}Response></s:Body></s:Envelope>"""


def addr(text):
    return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(text)


def pcp(request, outer=PUBLIC, lease=7200, port=None, inner=None, nonce=None, status=0, epoch=100):
    """The answer to a PCP MAP request, right but for what is named."""
    asked = struct.unpack_from("!H", request, 40)[0]
    head = struct.pack("!BBBBII12x", 2, 0x81, 0, status, lease, epoch)
    return (head + (nonce or request[24:36]) + request[36:40] +
            struct.pack("!HH", asked if inner is None else inner, asked if port is None else port) +
            addr(outer))


def natpmp(request, outer=PUBLIC, lease=7200, port=None, inner=None):
    """NAT-PMP alone: a PCP request is answered as one of an unknown version."""
    if request[0] != 0:
        return struct.pack("!BBHI", 0, 0x80 | request[1], 1, 100)
    if request[1] == 0:
        return struct.pack("!BBHI4s", 0, 0x80, 0, 100, socket.inet_aton(outer))
    asked = struct.unpack_from("!H", request, 4)[0]
    return struct.pack("!BBHIHHI", 0, 0x81, 0, 100, asked if inner is None else inner,
                       asked if port is None else port, lease)


PACKET = {
    "lease-0": lambda r: pcp(r, lease=0),
    "lease-most": lambda r: pcp(r, lease=0xffffffff), # no harm: 7200 s are believed
    "private": lambda r: pcp(r, outer="192.168.77.1"),
    "carrier": lambda r: pcp(r, outer="100.64.3.4"),
    "loopback": lambda r: pcp(r, outer="127.0.0.1"),
    "nowhere": lambda r: pcp(r, outer="0.0.0.0"),
    "multicast": lambda r: pcp(r, outer="239.1.1.1"),
    "port-0": lambda r: pcp(r, port=0),
    "other-port": lambda r: pcp(r, inner=9),
    "other-nonce": lambda r: pcp(r, nonce=b"x" * 12),
    "refuses": lambda r: pcp(r, status=2),
    "no-resources": lambda r: pcp(r, status=8),
    "long": lambda r: pcp(r) + b"\0" * 3000,
    "short": lambda r: pcp(r)[:30],
    "echo": lambda r: r,
    "noise": lambda r: bytes(range(256)),
    "empty": lambda r: b"",
    "silent": lambda r: None,
    "natpmp": natpmp, # an honest one
    "natpmp-private": lambda r: natpmp(r, outer="10.9.9.9"),
    "natpmp-lease-0": lambda r: natpmp(r, lease=0),
    "natpmp-port-0": lambda r: natpmp(r, port=0),
    "natpmp-other-port": lambda r: natpmp(r, inner=9),
    "flood": lambda r: [bytes(range(60))] * 2000 + [natpmp(r)] * 2000,
}
# What is served: /d the description, /c the control, for modes of UPnP.
WEB = ("web-private", "web-huge", "web-drip", "web-noise", "web-deep", "web-elsewhere", "web-control-elsewhere",
       "web-redirect", "web-name", "web-no-address", "web-drip-control", "web-honest")


def say(*words):
    print(*words, flush=True)


def serve_packets(gateway, mode):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((gateway, 5351))
    say("ready")
    while True:
        request, source = sock.recvfrom(2048)
        say("asked", request[0], request[1])
        if request[0] == 2 and len(request) != 60:
            say("strayed", request.hex())
        answer = PACKET[mode](request)
        for datagram in answer if isinstance(answer, list) else [answer]:
            if datagram is not None:
                sock.sendto(datagram, source)


class Web(http.server.BaseHTTPRequestHandler):
    mode = gateway = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else body.encode())

    def pour(self, chunk, pause_s=0):
        """Never ends by itself, whatever its reader does."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<root>")
        stop = threading.Event()
        try:
            while not stop.wait(pause_s):
                self.wfile.write(chunk)
        except OSError:
            say("ended")

    def do_GET(self):
        say("asked", self.path)
        away = f"http://{PUBLIC}:5000/decoy"
        if self.connection.getsockname()[0] != self.gateway or "decoy" in self.path:
            say("strayed", self.path)
        describe = {
            "web-huge": lambda: self.pour(b"<device>" * 8192),
            "web-drip": lambda: self.pour(b"<", 0.2),
            "web-noise": lambda: self.reply(bytes(range(256)) * 64),
            "web-deep": lambda: self.reply("<a>" * 100000),
            "web-control-elsewhere": lambda: self.reply(DEVICE.format(control=away)),
            "web-redirect": lambda: self.reply("", 302, Location=away),
        }.get(self.mode, lambda: self.reply(DEVICE.format(control="/c")))
        describe()

    def do_POST(self):
        what = self.headers.get("SOAPAction", "").strip('"').split("#")[-1]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        say("asked", what)
        if self.connection.getsockname()[0] != self.gateway or self.path != "/c":
            say("strayed", self.path)
        if self.mode == "web-drip-control":
            self.pour(b" ", 0.2)
            return
        outer = {"web-private": "192.168.1.1", "web-no-address": "x" * 5000}.get(self.mode, PUBLIC)
        more = f"<NewExternalIPAddress>{outer}</NewExternalIPAddress>" if "GetExternal" in what else ""
        self.reply(ANSWER.format(what=what, more=more))


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve_web(gateway, mode):
    Web.mode, Web.gateway = mode, gateway
    threading.Thread(target=Server(("0.0.0.0", 5000), Web).serve_forever, daemon=True).start()
    place = {"web-elsewhere": f"http://{PUBLIC}:5000/decoy",
             "web-name": "http://localhost:5000/decoy"}.get(mode, f"http://{gateway}:5000/d")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton("239.255.255.250") + socket.inet_aton(gateway))
    sock.bind(("", 1900))
    say("ready")
    while True:
        request, source = sock.recvfrom(2048)
        kind = next((line[3:].strip() for line in request.decode().split("\r\n") if line[:3].upper() == "ST:"), "")
        say("asked", kind)
        sock.sendto(f"HTTP/1.1 200 OK\r\nST: {kind}\r\nUSN: uuid:1::{kind}\r\nLOCATION: {place}\r\n\r\n".encode(), source)


if __name__ == "__main__":
    (serve_packets if sys.argv[2] in PACKET else serve_web)(*sys.argv[1:])
