#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds packets back: late.py QUEUE MILLISECONDS [JITTER]

Takes the packets that iptables puts into netfilter queue QUEUE and lets each go on MILLISECONDS later (give or
take JITTER, never overtaking the one before it), until it is killed. For kernels without netem.
"""
import collections
import random
import select
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
NFNL_SUBSYS_QUEUE = 3
PACKET, VERDICT, CONFIG = 0, 1, 2
NLM_F_REQUEST = 1
ATTR_PACKET_HEADER, ATTR_VERDICT = 1, 2
CONFIG_COMMAND, CONFIG_COPY_MODE, CONFIG_QUEUE_LENGTH = 1, 2, 3
BIND, COPY_META, ACCEPT = 1, 1, 1


def attribute(kind, data):
    length = 4 + len(data)
    return struct.pack("=HH", length, kind) + data + bytes(-length % 4)


def message(kind, queue, *attributes):
    body = struct.pack("!BBH", socket.AF_UNSPEC, 0, queue) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), NFNL_SUBSYS_QUEUE << 8 | kind, NLM_F_REQUEST, 0, 0) + body


def packet_ids(data):
    """Ids of the packets announced in one read."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        end = at + length
        if kind == NFNL_SUBSYS_QUEUE << 8 | PACKET:
            inner = at + 20
            while inner + 4 <= end:
                size, name = struct.unpack_from("=HH", data, inner)
                if name & 0x7FFF == ATTR_PACKET_HEADER:
                    yield struct.unpack_from("!I", data, inner + 4)[0]
                    break
                inner += size + -size % 4
        at = end + -length % 4


def main():
    queue, late, jitter = int(sys.argv[1]), float(sys.argv[2]) / 1000, float((sys.argv[3:] or [0])[0]) / 1000
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    link.bind((0, 0))
    link.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    command = struct.pack("!BBH", BIND, 0, 0)
    link.send(message(CONFIG, queue, attribute(CONFIG_COMMAND, command)))
    link.send(message(CONFIG, queue, attribute(CONFIG_COPY_MODE, struct.pack("!IB", 0, COPY_META))))
    link.send(message(CONFIG, queue, attribute(CONFIG_QUEUE_LENGTH, struct.pack("!I", 1 << 20))))
    link.setblocking(False)
    waiting = collections.deque()
    due = 0.0
    while True:
        rest = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        if select.select([link], [], [], rest)[0]:
            try:
                data = link.recv(1 << 16)
            except OSError:
                continue
            for number in packet_ids(data):
                due = max(due, time.monotonic() + late + random.uniform(-jitter, jitter))
                waiting.append((due, number))
        while waiting and waiting[0][0] <= time.monotonic():
            _, number = waiting.popleft()
            verdict = attribute(ATTR_VERDICT, struct.pack("!II", ACCEPT, number))
            link.send(message(VERDICT, queue, verdict))


if __name__ == "__main__":
    main()
