# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that mean ill to ctdb-exporter: hostile_http.py SOCKET|ADDRESS:PORT. Exits with 1 and says what
went through that should not have.

A head that is too long or never ends costs the client its connection; with more connections than the server takes,
those that are there are cut off in time, and others are served then.
"""
import resource
import select
import socket
import sys
import time

# Head limit of the server, and some time for a machine that is busy.
HEAD_LIMIT_S = 5
SLACK_S = 10
# What the server takes: in all, or of one address.
MOST = 64


def connect(place):
    if place.startswith("/"):
        sock = socket.socket(socket.AF_UNIX)
        address = place
    else:
        sock = socket.socket(socket.AF_INET)
        host, port = place.split(":")
        address = (host, int(port))
    sock.settimeout(HEAD_LIMIT_S + SLACK_S)
    sock.connect(address)
    return sock


def readable(sock, wait_s):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def answer(sock):
    """All that comes until the server closes; None if it does not in time."""
    data = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return data
            data += part
    except socket.timeout:
        return None
    except OSError:
        return data


def send(place, data):
    sock = connect(place)
    try:
        sock.sendall(data)
    except OSError:
        pass
    return answer(sock)


def heads(place):
    """Heads that must not be served."""
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
    for name, data in {
        "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        "a line without end": b"G" * 1_000_000,
        "a long header": request + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        "many headers": request + b"X: a\r\n" * 10_000 + b"\r\n",
        "no HTTP": b"\0\1\2\3\r\n\r\n",
        "two lengths": request + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "an endless body": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\naaaaa\r\n" * 100_000,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "control characters": request + b"X: a\0b\r\n\r\n",
    }.items():
        said = send(place, data)
        if said is None:
            yield f"{name}: the connection stays"
        elif said.startswith(b"HTTP/1.1 200"):
            yield f"{name}: {said[:60]}"


def pipelined(place):
    """One request a connection, however many are sent."""
    said = send(place, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    if said is None or said.count(b"HTTP/1.1") != 1:
        yield f"pipelined: {None if said is None else said.count(b'HTTP/1.1')} answers"


def slow(place):
    """One byte after the other."""
    sock = connect(place)
    started = time.monotonic()
    try:
        for byte in b"GET /livez HTTP/1.1\r\nX: " + b"a" * 1000:
            sock.sendall(bytes([byte]))
            if readable(sock, 0.1):
                break
    except OSError:
        pass
    took = time.monotonic() - started
    if took > HEAD_LIMIT_S + SLACK_S:
        yield f"a slow client was listened to for {took:.1f} s"


def thousand(place):
    """Connections that say nothing; afterwards one that does."""
    socks = []
    for _ in range(1000):
        try:
            socks.append(connect(place))
        except OSError:
            # the queue of the listener is full
            time.sleep(0.001)
    refused = [sock for sock in socks if readable(sock, 0.05)]
    left = len(socks) - len(refused)
    if left > MOST:
        yield f"{left} connections are open at the same time"
    deadline = time.monotonic() + HEAD_LIMIT_S + SLACK_S
    while True:
        said = send(place, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        # whoever is asked for a token was served
        if said and said.split()[1:2] in ([b"200"], [b"401"]):
            break
        if time.monotonic() > deadline:
            yield f"nobody is served any more: {said}"
            break
        time.sleep(0.2)
    for sock in socks:
        sock.close()


def main():
    place = sys.argv[1]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    wrong = [line for part in (heads, pipelined, slow, thousand) for line in part(place)]
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
