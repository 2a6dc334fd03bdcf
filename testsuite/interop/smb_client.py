#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of a clustered Samba that writes down what happened when. For `rolling-upgrade`.

smb_client.py NAME SECONDS USER PASSWORD ADDRESS OTHER-ADDRESS

Through ADDRESS it opens one file that all clients want, for itself alone; raises the number in it; writes
a file of its own; and reads that back through OTHER-ADDRESS. Times are seconds since 1970:

held open FROM TO    the file was certainly open for this client alone in between
raised TIME          the number was written, acknowledged
unsure TIME          a write of the number was cut off
file NAME TIME       a file was written and closed, acknowledged
wrong TIME TEXT      what was read is not what was written
error TIME ADDRESS TEXT     a connection ended, or a request failed
again TIME ADDRESS   connected, after an error
"""
import sys
import time

from samba import NTSTATUSError, credentials
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

GENERIC_READ_WRITE = 0xC0000000
OPEN_IF = 3
OVERWRITE_IF = 5
TAKEN = {"NT_STATUS_SHARING_VIOLATION"}
STATUS_NAMES = {0xC0000043: "NT_STATUS_SHARING_VIOLATION"}
HOLD = 0.02
PAUSE = 0.05


def say(*words):
    print(*words, flush=True)


def now():
    return f"{time.time():.6f}"


def name_of(problem):
    return STATUS_NAMES.get(problem.args[0], f"0x{problem.args[0]:08x} {problem.args[1]}")


class Server:
    """One address, and a connection to whichever host has it."""

    def __init__(self, address, loadparm, identity):
        self.address, self.loadparm, self.identity = address, loadparm, identity
        self.connection = None
        self.lost = False

    def use(self, action):
        """What ACTION returns, given a connection; None when it was cut off. Taken is no error."""
        try:
            if self.connection is None:
                self.connection = libsmb.Conn(self.address, "share", self.loadparm, self.identity)
                self.connection.settimeout(10000)
                if self.lost:
                    say("again", now(), self.address)
                self.lost = False
            return action(self.connection)
        except NTSTATUSError as problem:
            if name_of(problem) in TAKEN:
                raise
            # While nobody has the address, every try to connect fails: that is one error.
            if not self.lost:
                say("error", now(), self.address, name_of(problem))
            self.lost = True
            self.connection = None
            time.sleep(0.1)
            return None


def open_alone(connection):
    try:
        return connection.create("section", DesiredAccess=GENERIC_READ_WRITE, ShareAccess=0,
                                 CreateDisposition=OPEN_IF)
    except NTSTATUSError as problem:
        if name_of(problem) in TAKEN:
            return "taken"
        raise


def raise_number(server):
    handle = server.use(open_alone)
    if handle in (None, "taken"):
        return handle
    since = now()

    def work(connection):
        number = int(connection.read(handle, 0, 20))
        time.sleep(HOLD)
        until = now()
        state["sent"] = True
        connection.write(handle, b"%020d" % (number + 1), 0)
        state["done"] = True
        say("held open", since, until)
        say("raised", now())
        connection.close(handle)
        return "done"

    state = {"sent": False, "done": False}
    result = server.use(work)
    if state["sent"] and not state["done"]:
        say("unsure", now())
    return result


def write_file(server, name):
    def work(connection):
        handle = connection.create(name, DesiredAccess=GENERIC_READ_WRITE, ShareAccess=0,
                                   CreateDisposition=OVERWRITE_IF)
        connection.write(handle, content(name), 0)
        connection.close(handle)
        say("file", name, now())
        return name

    return server.use(work)


def content(name):
    return f"{name}\n".encode() * 100


def read_back(server, name):
    found = server.use(lambda connection: connection.loadfile(name))
    if found is not None and found != content(name):
        say("wrong", now(), name, len(found))


def main():
    me, seconds, user, password, address, other = sys.argv[1:7]
    loadparm = param.get_context()
    loadparm.load_default()
    loadparm.set("client min protocol", "SMB2")
    identity = credentials.Credentials()
    identity.guess(loadparm)
    identity.set_username(user)
    identity.set_password(password)
    identity.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    server, reader = (Server(a, loadparm, identity) for a in (address, other))
    end = time.time() + float(seconds)
    number = 0
    while time.time() < end:
        try:
            # A file that another client has open is tried again after a moment, and so it is with one
            # whose server is gone.
            while raise_number(server) != "done" and time.time() < end:
                time.sleep(0.01)
            number += 1
            name = f"{me}-{number}"
            if write_file(server, name):
                read_back(reader, name)
        except NTSTATUSError as problem:
            say("error", now(), address, name_of(problem), "for a file of its own")
        time.sleep(PAUSE)
    say("end", now())


main()
