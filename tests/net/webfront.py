"""What stands in front of some servers: it ends TLS itself, with the server's own key here, and lets no
Upgrade pass but WebSocket's. webfront.py KEYFILE ADDRESS PORT TO_ADDRESS TO_PORT"""
import asyncio
import base64
import datetime
import pathlib
import re
import ssl
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HEAD_MAX = 16384
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def context(keyfile):
    text = pathlib.Path(keyfile).read_text(encoding="ascii").strip()
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    name = x509.Name([])
    now = datetime.datetime(2020, 1, 1)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
                   .not_valid_before(now).not_valid_after(now.replace(year=2099))
                   .public_key(key.public_key()).sign(key, None))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:
        both.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
        both.write(certificate.public_bytes(serialization.Encoding.PEM))
        both.flush()
        made.load_cert_chain(both.name)
    return made


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def serve(reader, writer, to):
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
        writer.close()
        return
    upgrade = re.search(rb"\r\nupgrade: *([^\r]*)", head, re.I)
    if upgrade and upgrade[1].lower() != b"websocket":
        print("refused", upgrade[1].decode(), flush=True)
        writer.write(REFUSED)
        await writer.drain()
        writer.close()
        return
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    inside.check_hostname, inside.verify_mode = False, ssl.CERT_NONE
    far = await asyncio.open_connection(*to, ssl=inside)
    print("passed", upgrade[1].decode() if upgrade else "-", flush=True)
    far[1].write(head)
    await asyncio.gather(copy(reader, far[1]), copy(far[0], writer))


async def main():
    keyfile, address, port, to_address, to_port = sys.argv[1:]
    to = to_address, int(to_port)
    server = await asyncio.start_server(lambda r, w: serve(r, w, to), address, int(port),
                                        ssl=context(keyfile), limit=HEAD_MAX)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
