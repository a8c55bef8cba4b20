"""A machine of one's own for tests and benchmarks: namespaces in which this process is root and has a binfmt_misc of its
own (Linux 6.7 and newer), so that nothing outside of it, the machine's own entries least of all, is touched."""
import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
BINFMT = "/proc/sys/fs/binfmt_misc"


class Unavailable(Exception):
    """The machine has no such namespaces, or does not let us have them; tests skip."""


def libc(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def mount(source, target, kind=None, flags=0, data=None):
    as_bytes = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    libc("mount", *as_bytes[:3], ctypes.c_ulong(flags), as_bytes[3])


def umount(target):
    libc("umount2", os.fsencode(target), 2)


def ids_to_map():
    """How many user ids root can have in a namespace: all if we are root, else only its own."""
    return 65536 if os.geteuid() == 0 else 1


def enter(with_binfmt=True):
    """Forks; the child goes on as root and process 1 of new user, mount, process, IPC and UTS namespaces, with a /proc
    of its own and, `with_binfmt`, an empty binfmt_misc in it. Returns the child's wait status in the parent, None in
    the child. Raises Unavailable, in the parent."""
    owner, group, count = os.geteuid(), os.getegid(), ids_to_map()
    ready, mapped, failure = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            libc("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
            os.write(ready[1], b"x")
            os.read(mapped[0], 1)
            os.setgid(0)
            os.setuid(0)
            first = os.fork()
            if first != 0:
                os.close(failure[1])
                os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xff)
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            mount("proc", "/proc", "proc")
            if with_binfmt:
                mount("binfmt_misc", BINFMT, "binfmt_misc")
            os.close(failure[1])
            return None
        except OSError as error:
            os.write(failure[1], str(error).encode())
            os._exit(1)
    for descriptor in (ready[1], failure[1]):
        os.close(descriptor)
    if os.read(ready[0], 1):
        if count == 1:
            with open(f"/proc/{child}/setgroups", "w") as file:
                file.write("deny")
        for name, first in (("uid_map", owner), ("gid_map", group)):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(f"0 {first if count == 1 else 0} {count}\n")
        os.write(mapped[1], b"x")
    reason = os.read(failure[0], 1000).decode()
    status = os.waitpid(child, 0)[1]
    if reason:
        raise Unavailable(reason)
    return status
