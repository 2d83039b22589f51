"""Asks a router for a UDP port, as plainly as the protocols allow; prints what it got as JSON.

  portask.py natpmp|pcp|upnp OWN-ADDRESS GATEWAY PORT LEASE-S     {"port": …, "ip": …, "lease": …, "epoch": …}"""
import ipaddress
import json
import os
import re
import socket
import struct
import sys
import urllib.request

SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:"


def ask(gateway, request, tries=5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((gateway, 5351))
        for _ in range(tries):
            sock.send(request)
            try:
                return sock.recv(1100)
            except socket.timeout:
                pass
    raise SystemExit("no answer")


def natpmp(_own, gateway, port, lease_s):
    address = ask(gateway, b"\0\0")
    answer = ask(gateway, struct.pack("!BBHHHI", 0, 1, 0, port, port, lease_s))
    status, epoch, _, outer, lease = struct.unpack_from("!xxHIHHI", answer)
    assert status == 0, answer
    return {"port": outer, "ip": socket.inet_ntoa(address[8:12]), "lease": lease, "epoch": epoch}


def pcp(own, gateway, port, lease_s):
    mapped = b"\0" * 10 + b"\xff\xff"
    request = struct.pack("!BBHI", 2, 1, 0, lease_s) + mapped + socket.inet_aton(own) + os.urandom(12)
    answer = ask(gateway, request + struct.pack("!BxxxHH", 17, port, port) + mapped + b"\0" * 4)
    version, _, _, status, lease, epoch = struct.unpack_from("!BBBBII", answer)
    assert version == 2 and status == 0, (version, status)
    outer = struct.unpack_from("!H", answer, 42)[0]
    return {"port": outer, "ip": str(ipaddress.ip_address(answer[44:60]).ipv4_mapped), "lease": lease,
            "epoch": epoch}


def discover():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        for _ in range(5):
            sock.sendto(b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n"
                        b"MX: 1\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
                        ("239.255.255.250", 1900))
            try:
                return re.search(r"(?im)^location:\s*(\S+)", sock.recv(2048).decode())[1]
            except socket.timeout:
                pass
    raise SystemExit("no answer")


def call(url, service, action, fields):
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields)
    request = urllib.request.Request(url, f"""<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:{action} xmlns:u="{service}">{body}
</u:{action}></s:Body></s:Envelope>""".encode(), {
        "SOAPAction": f'"{service}#{action}"', "Content-Type": 'text/xml; charset="utf-8"'})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


def upnp(own, _gateway, port, lease_s):
    where = discover()
    with urllib.request.urlopen(where, timeout=5) as answer:
        description = answer.read().decode()
    service = re.search(SERVICE + r"\d", description)[0]
    path = re.search(re.escape(service) + r".*?<controlURL>(.*?)</controlURL>", description, re.S)[1]
    url = "/".join(where.split("/")[:3]) + path
    call(url, service, "AddPortMapping", (
        ("NewRemoteHost", ""), ("NewExternalPort", port), ("NewProtocol", "UDP"), ("NewInternalPort", port),
        ("NewInternalClient", own), ("NewEnabled", 1), ("NewPortMappingDescription", "lab"),
        ("NewLeaseDuration", lease_s)))
    said = call(url, service, "GetExternalIPAddress", ())
    ip = re.search(r"<NewExternalIPAddress>(.*?)<", said)[1]
    return {"port": port, "ip": ip, "lease": lease_s, "epoch": None}


if __name__ == "__main__":
    HOW = {"natpmp": natpmp, "pcp": pcp, "upnp": upnp}[sys.argv[1]]
    print(json.dumps(HOW(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))))
