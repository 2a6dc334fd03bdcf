#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NFS client in user space, for kernels without one.

nfs_client.py ADDRESS EXPORT DIRECTORY    mounts the export there and goes into the background

The protocol is libnfs's business (NFSv3 over TCP, reconnects for ever, as a hard mount); FUSE carries the
files to it. Nothing is cached here: each read and write reaches the server.
"""
import ctypes
import errno
import os
import stat
import sys
import threading

import fusepy

FIELDS = """dev ino mode nlink uid gid rdev size blksize blocks
            atime mtime ctime atime_nsec mtime_nsec ctime_nsec used""".split()
FOREVER = -1


class Stat(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in FIELDS]


class Mounted(fusepy.Operations):
    """One export. libnfs contexts are not for several threads at a time."""

    def __init__(self, address, export):
        self.lib = ctypes.CDLL("libnfs.so.13")
        self.lib.nfs_init_context.restype = ctypes.c_void_p
        self.lib.nfs_get_error.restype = ctypes.c_char_p
        self.nfs = ctypes.c_void_p(self.lib.nfs_init_context())
        self.busy = threading.Lock()
        self.lib.nfs_set_version(self.nfs, 3)
        self.lib.nfs_set_autoreconnect(self.nfs, FOREVER)
        self.lib.nfs_set_dircache(self.nfs, 0)
        if self.lib.nfs_mount(self.nfs, address.encode(), export.encode()):
            sys.exit(self.lib.nfs_get_error(self.nfs).decode())

    def call(self, name, *args):
        with self.busy:
            result = getattr(self.lib, "nfs_" + name)(self.nfs, *args)
        if result < 0:
            raise fusepy.FuseOSError(-result if -result in errno.errorcode else errno.EIO)
        return result

    def opened(self, name, path, argument):
        file = ctypes.c_void_p()
        self.call(name, path.encode(), ctypes.c_int(argument), ctypes.byref(file))
        return file.value

    def getattr(self, path, fh=None):
        found = Stat()
        self.call("lstat64", path.encode(), ctypes.byref(found))
        times = {f"st_{t}": getattr(found, t) for t in ("atime", "mtime", "ctime")}
        whole = {f"st_{n}": getattr(found, n) for n in ("mode", "nlink", "uid", "gid", "size")}
        return {**times, **whole}

    def create(self, path, mode, fi=None):
        return self.opened("creat", path, stat.S_IMODE(mode))

    def open(self, path, flags):
        return self.opened("open", path, flags & (os.O_ACCMODE | os.O_SYNC))

    def read(self, path, size, offset, fh):
        buffer = ctypes.create_string_buffer(size)
        place = (ctypes.c_uint64(offset), ctypes.c_uint64(size), buffer)
        length = self.call("pread", ctypes.c_void_p(fh), *place)
        return buffer.raw[:length]

    def write(self, path, data, offset, fh):
        place = (ctypes.c_uint64(offset), ctypes.c_uint64(len(data)), data)
        return self.call("pwrite", ctypes.c_void_p(fh), *place)

    def release(self, path, fh):
        return self.call("close", ctypes.c_void_p(fh))

    def truncate(self, path, length, fh=None):
        return self.call("truncate", path.encode(), ctypes.c_uint64(length))

    def unlink(self, path):
        return self.call("unlink", path.encode())

    def mkdir(self, path, mode):
        return self.call("mkdir", path.encode())

    def rmdir(self, path):
        return self.call("rmdir", path.encode())


# The context has to live in the process that serves FUSE, so into the background by hand.
def main():
    address, export, directory = sys.argv[1:]
    mounted = Mounted(address, export)
    if os.fork():
        while not os.path.ismount(directory):
            threading.Event().wait(0.05)
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    fusepy.FUSE(mounted, directory, foreground=True, nothreads=True, direct_io=True)


main()
