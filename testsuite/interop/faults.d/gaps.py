#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""gaps.py [--each] ADDRESS: watches packets from ADDRESS port or to port 4379 on this host, and prints after each keepalive
and leader broadcast by how many seconds the latest one so far was late (both are due every second). With --each: of every keepalive that is late by more than half a second, the moment
(microseconds since the machine's start) and by how many seconds."""
import socket
import struct
import sys
import time

MAGIC = struct.pack("=I", 0x43544442)
KEEPALIVE, MESSAGE = 9, 5
LEADER = 0xF101000000000000
DUE = 1.0


def kinds(payload):
    """The kinds of packets that begin in this piece of a stream."""
    at = payload.find(MAGIC)
    while at >= 0:
        piece = payload[at - 4 : at + 44]
        if at >= 4 and len(piece) >= 20:
            operation = struct.unpack_from("=I", piece, 16)[0]
            if operation == KEEPALIVE:
                yield "keepalive"
            if operation == MESSAGE and len(piece) >= 40:
                if struct.unpack_from("=Q", piece, 32)[0] == LEADER:
                    yield "leader"
        at = payload.find(MAGIC, at + 4)


def main():
    address = socket.inet_aton(sys.argv[-1])
    each = sys.argv[1] == "--each"
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    listener.settimeout(0.2)
    last, worst = {}, 0.0
    if not each:
        print("0.0", flush=True)
    while True:
        try:
            packet = listener.recv(65536)
        except socket.timeout:
            packet = b""
        now = time.monotonic()
        # What never comes at all is late too.
        late = max([worst] + [now - at - DUE for at in last.values()])
        if packet[12:16] == address and packet[9:10] == b"\x06":
            head = (packet[0] & 15) * 4
            body = head + (packet[head + 12] >> 4) * 4
            for kind in kinds(packet[body:]):
                gap = now - last.get(kind, now) - DUE
                if each and kind == "keepalive" and gap > 0.5:
                    print(f"{now * 1e6:.0f} {gap:.2f}", flush=True)
                last[kind] = now
        if each:
            continue
        if late > worst + 0.01:
            worst = late
            print(f"{worst:.2f}", flush=True)


main()
