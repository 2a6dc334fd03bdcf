#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client notices while a public address moves.

client.py serve PORT [track] [six]
                              on a host: tells its name to whoever connects, then echoes; with `track` it
                              tells the daemon of each connection, as smbd does; with `six` on an IPv6
                              socket, where IPv4 clients have mapped addresses
client.py watch ADDRESS PORT  on the client: one request every 100 ms on a connection of its own, and one
                              connection that is kept busy; prints one line per event, with the time
client.py hold ADDRESS PORT   on the client: the second of these alone, and only until it is lost
"""
import socket
import socketserver
import subprocess
import sys
import threading
import time


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        if self.server.track:
            ends = [f"{host}:{port}" for host, port in (self.client_address, self.request.getsockname())]
            subprocess.run(["ctdb", "addtickle", *ends], check=False)
        try:
            self.request.sendall(socket.gethostname().encode() + b"\n")
            while data := self.request.recv(100):
                self.request.sendall(data)
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100
    track = False


def say(*words):
    print(f"{time.time():.3f}", *words, flush=True)


def request(address, port):
    began = time.time()
    try:
        with socket.create_connection((address, port), 0.5) as connection:
            connection.settimeout(0.5)
            name = connection.recv(100).decode().strip()
            say("answer", name or "none")
    except OSError as problem:
        say("no-answer", type(problem).__name__)
    time.sleep(max(0.0, 0.1 - (time.time() - began)))


def keep(address, port, once=False):
    while True:
        try:
            connection = socket.create_connection((address, port), 2)
            say("connected", connection.recv(100).decode().strip())
        except OSError:
            time.sleep(0.1)
            continue
        # Sends without waiting, as a client with requests in flight does.
        connection.settimeout(0.1)
        try:
            while True:
                connection.sendall(b"x")
                try:
                    if not connection.recv(100):
                        say("lost", "closed")
                        break
                except socket.timeout:
                    pass
                time.sleep(0.1)
        except OSError as problem:
            say("lost", type(problem).__name__)
        connection.close()
        if once:
            return


def main():
    if sys.argv[1] == "serve":
        if "six" in sys.argv[3:]:
            Server.address_family = socket.AF_INET6
        server = Server(("", int(sys.argv[2])), Echo)
        server.track = "track" in sys.argv[3:]
        server.serve_forever()
    address, port = sys.argv[2], int(sys.argv[3])
    if sys.argv[1] == "hold":
        return keep(address, port, once=True)
    threading.Thread(target=keep, args=(address, port), daemon=True).start()
    while True:
        request(address, port)


main()
