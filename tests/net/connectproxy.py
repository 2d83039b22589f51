"""An HTTP proxy that knows CONNECT: connectproxy.py ADDRESS PORT IDLE_S, with $PROXY_USER "name:password"
wanting Basic authentication. It says on standard output what it was asked and what it answered. A tunnel
without a byte for IDLE_S seconds is closed (0: never), as many real ones do."""
import asyncio
import base64
import os
import sys

HEAD_MAX = 16384
WANTED = base64.b64encode(os.environ.get("PROXY_USER", "").encode()).decode()


async def copy(reader, writer, idle_s):
    try:
        while data := await asyncio.wait_for(reader.read(65536), idle_s):
            writer.write(data)
            await writer.drain()
        writer.write_eof() # the other way may go on
    except asyncio.TimeoutError:
        writer.close()
    except OSError:
        pass


def judge(head):
    """(target, status, headers to add) of a request's head."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split()
    fields = {name.strip().lower(): value.strip() for name, _, value in
              (line.partition(":") for line in lines[1:] if line)}
    if len(words) != 3 or words[0] != "CONNECT":
        return words[1] if len(words) > 1 else "?", 405, ""
    if WANTED and fields.get("proxy-authorization", "") != f"Basic {WANTED}":
        return words[1], 407, 'Proxy-Authenticate: Basic realm="lab"\r\n'
    return words[1], 200, ""


async def serve(reader, writer, idle_s):
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
        writer.close()
        return
    target, status, more = judge(head)
    far = None
    if status == 200:
        try:
            host, _, port = target.rpartition(":")
            far = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 10)
        except (OSError, ValueError, asyncio.TimeoutError):
            status = 502
    sys.stdout.write(f"CONNECT {target} {status}\n")
    sys.stdout.flush()
    more += "Content-Length: 0\r\n" if status != 200 else ""
    writer.write(f"HTTP/1.1 {status} lab\r\n{more}\r\n".encode())
    if far is None:
        await writer.drain()
        writer.close()
        return
    await asyncio.gather(copy(reader, far[1], idle_s), copy(far[0], writer, idle_s))
    writer.close()
    far[1].close()


async def main(address, port, idle_s):
    idle_s = float(idle_s) or None
    server = await asyncio.start_server(lambda r, w: serve(r, w, idle_s), address, int(port), limit=HEAD_MAX)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
