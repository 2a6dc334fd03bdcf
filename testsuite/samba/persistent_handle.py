#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client with a persistent handle, whose node is killed under it; uses the package smbprotocol.

persistent_handle.py FIRST SECOND PORT USER PASSWORD KILL

Opens a file on FIRST with a persistent handle and writes to it. Then it starts the program KILL, which kills that node, and
comes back on SECOND with its session, lease and handle, and reads what it wrote. Prints what happened; exit
status 0 when the handle has survived.
"""
import subprocess
import sys
import time
import uuid

from smbprotocol.connection import Capabilities, Connection, Dialects
from smbprotocol.create_contexts import (
    CreateContextName,
    DurableHandleFlags,
    LeaseState,
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
    SMB2CreateDurableHandleResponseV2,
    SMB2CreateRequestLeaseV2,
)
from smbprotocol.exceptions import SMBException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    RequestedOplockLevel,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

CLIENT = uuid.uuid4()
CREATE = uuid.uuid4()
LEASE = uuid.uuid4().bytes
PERSISTENT = DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
NAME = "persistent.dat"
DATA = b"written before the node was killed"


def connect(server, port, user, password):
    """A tree of the share, as a client that is able to keep persistent handles."""
    connection = Connection(CLIENT, server, port)
    connection.client_capabilities |= Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
    connection.connect(Dialects.SMB_3_1_1, timeout=20)
    session = Session(connection, user, password, require_encryption=False)
    session.connect()
    tree = TreeConnect(session, rf"\\{server}\share")
    tree.connect(require_secure_negotiate=False)
    return tree


def context(name, data):
    """A create context of a request."""
    request = SMB2CreateContextRequest()
    request["buffer_name"] = name
    request["buffer_data"] = data
    return request


def lease():
    """The lease, the same before and after."""
    data = SMB2CreateRequestLeaseV2()
    data["lease_key"] = LEASE
    data["parent_lease_key"] = bytes(16)
    data["epoch"] = bytes(2)
    for state in (
        LeaseState.SMB2_LEASE_READ_CACHING,
        LeaseState.SMB2_LEASE_HANDLE_CACHING,
        LeaseState.SMB2_LEASE_WRITE_CACHING,
    ):
        data["lease_state"].set_flag(state)
    return context(CreateContextName.SMB2_CREATE_REQUEST_LEASE_V2, data)


def first_open():
    """Asks for a persistent handle."""
    data = SMB2CreateDurableHandleRequestV2()
    data["flags"].set_flag(PERSISTENT)
    data["create_guid"] = CREATE
    name = CreateContextName.SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2
    return context(name, data)


def again(file_id):
    """Asks for the handle that was had before."""
    data = SMB2CreateDurableHandleReconnectV2()
    data["file_id"] = file_id
    data["create_guid"] = CREATE
    data["flags"].set_flag(PERSISTENT)
    name = CreateContextName.SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2
    return context(name, data)


def create(tree, durable):
    """Opens the file; the handle, and what the server says about it."""
    file = Open(tree, NAME)
    answers = file.create(
        ImpersonationLevel.Impersonation,
        FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
        FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE,
        CreateDisposition.FILE_OPEN_IF,
        CreateOptions.FILE_NON_DIRECTORY_FILE,
        create_contexts=[durable, lease()],
        oplock_level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
    )
    return file, answers or []


def granted(answers):
    """Whether the server has made the handle persistent."""
    found = [a for a in answers if isinstance(a, SMB2CreateDurableHandleResponseV2)]
    return bool(found) and found[0]["flags"].has_flag(PERSISTENT)


def reconnect(where, file_id):
    """The handle again, when the cluster has got over the loss; None if it never comes."""
    said = None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            file, _ = create(connect(*where), again(file_id))
            return file
        except (SMBException, OSError, ValueError) as error:
            text = str(error).splitlines()[0]
            if text != said:
                print(f"not yet: {text}")
                said = text
            time.sleep(1)
    return None


def main():
    """See the top."""
    first, second, port, user, password, kill = sys.argv[1:7]
    file, answers = create(connect(first, int(port), user, password), first_open())
    if not granted(answers):
        print("the handle is not persistent")
        return 1
    file.write(DATA, 0)
    file_id = file.file_id
    print(f"persistent handle {file_id.hex()} on {first}")
    subprocess.run([kill], check=True)
    begin = time.monotonic()
    file = reconnect((second, int(port), user, password), file_id)
    if file is None:
        print(f"the handle is lost: {second} does not give it back")
        return 1
    print(f"handle again on {second} after {time.monotonic() - begin:.1f} s")
    found = file.read(0, len(DATA))
    file.write(b"and after it", len(DATA))
    file.close()
    print(f"it reads {found.decode()!r}")
    return 0 if found == DATA else 1


if __name__ == "__main__":
    sys.exit(main())
