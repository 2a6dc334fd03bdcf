#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clumsy clients of ctdbd's socket, on the host where they run.

clumsy.py deaf MEGABYTES      one client listens to a port and never reads, another sends it so much
clumsy.py die CLIENTS EACH NODE   so many clients ask NODE so many things each, and all go away at once
clumsy.py traverse COUNT DB   so many traverses of a database (its id) at once; prints the seconds until all are done
clumsy.py vanish COUNT DB     begins so many traverses, each by a client that goes away
clumsy.py hold FILE SECONDS   keeps all records of a tdb file locked by fcntl
clumsy.py ping                prints the longest of a hundred round trips, in seconds
"""
import fcntl
import os
import resource
import socket
import struct
import sys
import time

SOCKET = os.environ.get("CTDB_SOCKET", "/run/ctdb/ctdbd.socket")
MAGIC, VERSION = 0x43544442, 1
MESSAGE, CONTROL, REPLY = 5, 7, 8
CURRENT = 0xF0000001
PING, TRAVERSE_START, REGISTER = 3, 20, 23
PORT = 0x7700000000000000


def connect():
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(SOCKET)
    return client


def packet(operation, reqid, body, dest=CURRENT):
    length = 32 + len(body)
    body += bytes(-length % 8)
    head = struct.pack("=8I", 32 + len(body), MAGIC, VERSION, 1, operation, dest, 0, reqid)
    return head + body


def control(opcode, data=b"", srvid=0, reqid=1, dest=CURRENT):
    body = struct.pack("=IIQIII", opcode, 0, srvid, 0, 0, len(data)) + data
    return packet(CONTROL, reqid, body, dest)


def message(srvid, data):
    return packet(MESSAGE, 0, struct.pack("=QI", srvid, len(data)) + data)


def read(client):
    """The next packet: operation, request number, body."""
    head = b""
    while len(head) < 4:
        piece = client.recv(4 - len(head))
        if not piece:
            raise EOFError
        head += piece
    need = struct.unpack("=I", head)[0] - 4
    rest = bytearray()
    while len(rest) < need:
        piece = client.recv(need - len(rest))
        if not piece:
            raise EOFError
        rest += piece
    operation, = struct.unpack_from("=I", rest, 12)
    reqid, = struct.unpack_from("=I", rest, 24)
    return operation, reqid, bytes(rest[28:])


def ask(client, opcode, data=b"", srvid=0):
    client.sendall(control(opcode, data, srvid))
    while True:
        operation, _, body = read(client)
        if operation == REPLY:
            return struct.unpack_from("=i", body)[0], body


def deaf(megabytes):
    listener, sender = connect(), connect()
    ask(listener, REGISTER, srvid=PORT)
    piece = message(PORT, bytes(1000))
    for _ in range(megabytes):
        sender.sendall(piece * 1000)
    status, _ = ask(sender, PING)
    listener.setblocking(False)
    got = 0
    try:
        while piece := listener.recv(1 << 20):
            got += len(piece)
        print(f"sender {status >= 0}, listener cut off after {got >> 20} MB", flush=True)
    except BlockingIOError:
        print(f"sender {status >= 0}, listener still there after {got >> 20} MB", flush=True)


def die(count, each, node):
    clients = [connect() for _ in range(count)]
    for client in clients:
        client.sendall(b"".join(control(PING, reqid=n + 1, dest=node) for n in range(each)))
    time.sleep(2)
    for client in clients:
        client.close()


def traverse_start(db, number):
    port = PORT + number
    data = struct.pack("=IIQ", db, number, port)
    return control(REGISTER, srvid=port) + control(TRAVERSE_START, data, reqid=2)


def traverse(count, db):
    began = time.monotonic()
    clients = [connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.sendall(traverse_start(db, number + 1))
    other = connect()
    ask(other, PING)
    pong = time.monotonic() - began
    for client in clients:
        client.settimeout(60)
        while True:
            operation, _, body = read(client)
            # The end is a record without key and data.
            if operation == MESSAGE and struct.unpack_from("=II", body, 20) == (0, 0):
                break
    print(f"{pong:.2f} {time.monotonic() - began:.2f}", flush=True)


def vanish(count, db):
    for number in range(count):
        client = connect()
        client.sendall(traverse_start(db, number + 1))
        client.close()


def hold(path, seconds):
    file = os.open(path, os.O_RDWR)
    fcntl.lockf(file, fcntl.LOCK_EX, 0, 168)
    print("held", flush=True)
    time.sleep(seconds)


def ping():
    client, worst = connect(), 0.0
    for _ in range(100):
        began = time.monotonic()
        ask(client, PING)
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.02)
    print(f"{worst:.2f}", flush=True)


def main():
    # Thousands of connections.
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    verb, words = sys.argv[1], sys.argv[2:]
    if verb == "deaf":
        deaf(int(words[0]))
    elif verb == "die":
        die(*map(int, words))
    elif verb in ("traverse", "vanish"):
        globals()[verb](int(words[0]), int(words[1], 0))
    elif verb == "hold":
        hold(words[0], float(words[1]))
    else:
        ping()


main()
