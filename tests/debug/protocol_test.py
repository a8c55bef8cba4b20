#!/usr/bin/env python3
"""kiln --gdb spoken to in packets: what GDB itself never says, and what happens when the other side misbehaves."""
import argparse
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("KILN_", "QEMU_"))} | {"KILN_CACHE": "off"}


def frame(payload):
    return b"$" + payload + b"#%02x" % (sum(payload) & 0xff)


class Client:
    """A guest and a connection to its stub."""

    def __init__(self, folder, part, where="socket", options=()):
        self.path = str(Path(folder, where))
        self.guest = subprocess.Popen([KILN, "run", "--gdb", self.path, *options, PROGRAM, part], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN)
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(30)
        for _ in range(600):
            try:
                self.connection.connect(self.path)
                break
            except OSError:
                time.sleep(0.05)
        self.buffer = b""

    def raw(self, data):
        self.connection.sendall(data)

    def byte(self):
        if not self.buffer:
            self.buffer = self.connection.recv(65536)
        first, self.buffer = self.buffer[:1], self.buffer[1:]
        return first

    def answer(self):
        while (first := self.byte()) != b"$":
            if not first:
                raise EOFError
        payload = b""
        while (first := self.byte()) != b"#":
            payload += first
        self.byte(), self.byte()
        try:
            self.raw(b"+")
        except BrokenPipeError:
            pass  # that was the last answer
        return payload.decode("latin-1")

    def ask(self, payload):
        self.raw(frame(payload.encode("latin-1")))
        return self.answer()

    def pc(self):
        return struct.unpack("<Q", bytes.fromhex(self.ask("p20")))[0]

    def end(self):
        self.connection.close()
        try:
            output, errors = self.guest.communicate(timeout=30)
            return output, errors, self.guest.returncode
        finally:
            if self.guest.poll() is None:
                self.guest.kill()
                self.guest.wait()


def symbol(name):
    lines = subprocess.run(["riscv64-linux-gnu-nm", PROGRAM], capture_output=True, text=True, check=True).stdout.splitlines()
    return int(next(line.split()[0] for line in lines if line.split()[2:] == [name]), 16)


class Protocol(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def client(self, part, **more):
        client = Client(self.folder, part, **more)
        self.addCleanup(lambda: client.guest.poll() is None and client.guest.kill())
        self.addCleanup(client.connection.close)
        return client

    def test_damaged_packets_are_asked_for_again(self):
        client = self.client("calls")
        client.raw(b"$g#00")
        self.assertEqual(client.byte(), b"-")
        client.raw(b"noise$$$##\x01\xff" + b"$" + b"x" * 300000 + b"#00")
        self.assertTrue(client.ask("?").startswith("T05thread:"))
        client.raw(b"-")
        self.assertTrue(client.answer().startswith("T05thread:"))
        self.assertEqual(client.ask("D"), "OK")
        self.assertEqual(client.end(), ("sum 23\n", "", 23))

    def test_one_instruction_at_a_time(self):
        # Every step is one instruction: it ends at the next one, or where a jump leads.
        client = self.client("calls")
        client.ask("QStartNoAckMode")
        for _ in range(2000):
            before = client.pc()
            word = struct.unpack("<I", bytes.fromhex(client.ask(f"m{before:x},4")))[0]
            self.assertRegex(client.ask("vCont;s"), "^T05")
            length = 4 if word & 3 == 3 else 2
            if length == 4:
                jumps = word & 0x7f in (0x63, 0x67, 0x6f, 0x73)
            else:
                jumps = (word & 3, word >> 13 & 7) in ((1, 5), (1, 6), (1, 7), (2, 4))
            if not jumps:
                self.assertEqual(client.pc(), before + length, hex(word))
        client.ask("D")
        self.assertEqual(client.end(), ("sum 23\n", "", 23))

    def test_range_step(self):
        client = self.client("calls")
        leaf = symbol("leaf")
        client.ask(f"Z0,{leaf:x},2")
        self.assertIn("thread", client.ask("vCont;c"))
        self.assertEqual(client.pc(), leaf)
        self.assertEqual(client.ask(f"z0,{leaf:x},2"), "OK")
        client.ask(f"vCont;r{leaf:x},{symbol('middle'):x}")
        self.assertFalse(leaf <= client.pc() < symbol("middle"))
        client.ask("D")
        self.assertEqual(client.end(), ("sum 23\n", "", 23))

    def test_step_with_a_signal_ends_at_the_handler(self):
        client = self.client("signals")
        self.assertTrue(client.ask("vCont;c").startswith("T1e"))
        self.assertTrue(client.ask("vCont;S1e").startswith("T05"))
        self.assertEqual(client.pc(), symbol("on_signal"))
        self.assertTrue(client.ask("vCont;s").startswith("T05"))
        self.assertNotEqual(client.pc(), symbol("on_signal"))
        client.ask("D")
        self.assertEqual(client.end(), ("seen 10\nseen 14\n", "", 0))

    def test_signals_passed_without_asking(self):
        client = self.client("signals")
        self.assertEqual(client.ask("QPassSignals:1e;e"), "OK")
        self.assertEqual(client.ask("vCont;c"), "W00")
        self.assertEqual(client.end(), ("seen 10\nseen 14\n", "", 0))

    def test_caught_calls(self):
        client = self.client("call")
        self.assertEqual(client.ask("QCatchSyscalls:1;3b"), "OK")  # pipe2
        self.assertRegex(client.ask("vCont;c"), "^T05.*syscall_entry:3b;")
        self.assertRegex(client.ask("vCont;c"), "^T05.*syscall_return:3b;")
        self.assertEqual(client.ask("p0a"), "00" * 8)
        self.assertEqual(client.ask("QCatchSyscalls:0"), "OK")
        self.assertEqual(client.ask("vCont;c"), "W00")
        self.assertEqual(client.end(), ("read 8\n", "", 0))

    def test_written_code_runs(self):
        # leaf becomes: li a0, 0; ret
        client = self.client("calls")
        leaf = symbol("leaf")
        client.ask(f"Z0,{leaf:x},2")
        client.ask("vCont;c")
        self.assertEqual(client.ask(f"M{leaf:x},4:01458280"), "OK")
        self.assertEqual(client.ask(f"m{leaf:x},4"), "01458280")
        client.ask(f"z0,{leaf:x},2")
        self.assertEqual(client.ask("vCont;c"), "W03")
        self.assertEqual(client.end(), ("sum 3\n", "", 3))

    def test_no_thread_left_to_go_on(self):
        client = self.client("threads")
        client.ask("qSupported:no-resumed+")
        client.ask(f"Z0,{symbol('in_worker'):x},2")
        self.assertIn("thread", client.ask("vCont;c"))
        client.ask(f"z0,{symbol('in_worker'):x},2")
        threads = client.ask("qfThreadInfo")[1:].split(",")
        self.assertEqual(len(threads), 4)
        client.ask("D")
        self.assertEqual(client.end(), ("counter 6\n", "", 0))

    def test_debugger_that_goes_while_the_guest_stands_still(self):
        self.assertEqual(self.client("calls").end(), ("sum 23\n", "", 23))

    def test_debugger_that_goes_while_the_guest_runs(self):
        client = self.client("wait")
        client.raw(frame(b"vCont;c"))
        self.assertEqual(client.guest.stdout.readline(), "ready\n")
        client.connection.close()
        time.sleep(0.3)
        client.guest.send_signal(signal.SIGUSR2)
        self.assertEqual(client.end(), ("pause -1 1 seen 12\n", "", 0))

    def test_kill(self):
        client = self.client("calls")
        self.assertEqual(client.ask(f"vKill;{client.guest.pid:x}"), "OK")
        self.assertEqual(client.end()[2], -signal.SIGKILL)
        client = self.client("calls")
        client.raw(frame(b"k"))
        self.assertEqual(client.end()[2], -signal.SIGKILL)

    def test_the_guest_has_no_descriptor_of_the_debugger(self):
        client = self.client("wait")
        client.raw(frame(b"vCont;c"))
        self.assertEqual(client.guest.stdout.readline(), "ready\n")
        links = [os.readlink(link) for link in Path(f"/proc/{client.guest.pid}/fd").iterdir()]
        self.assertFalse([link for link in links if link.startswith("socket")], links)
        self.assertFalse(Path(client.path).exists())
        client.guest.send_signal(signal.SIGUSR2)
        self.assertTrue(client.answer().startswith("T1f"))
        client.raw(frame(b"k"))
        client.end()


class Refusals(unittest.TestCase):
    def refused(self, where, words, **more):
        done = subprocess.run([KILN, "run", "--gdb", where, PROGRAM, "calls"], capture_output=True, text=True, timeout=30,
                              env=CLEAN, **more)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"^kiln: --gdb: .*{words}.*\n$")

    def test_bad_places(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.refused(str(taken.getsockname()[1]), "cannot listen on port \\d+: Address already in use")
        self.refused("70000", "70000 is no port")
        self.refused("0", "0 is no port")
        with tempfile.TemporaryDirectory() as folder:
            self.refused(folder + "/no/socket", "no/socket: No such file")
        self.refused("/" + "x" * 200, "longer than")
        with tempfile.NamedTemporaryFile() as file:
            self.refused(file.name, "Address already in use")

    def test_tcp_is_loopback_only_and_qemu_speaks_it(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with tempfile.TemporaryDirectory() as folder:
            qemu = Path(folder, "qemu-riscv64")
            qemu.symlink_to(KILN)
            guest = subprocess.Popen([qemu, PROGRAM, "calls"], stdout=subprocess.PIPE, text=True,
                                     env=CLEAN | {"QEMU_GDB": str(port)})
            for _ in range(600):
                try:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                    break
                except OSError:
                    time.sleep(0.05)
            connection.sendall(frame(b"D"))
            self.assertEqual(connection.recv(100)[:1], b"+")
            self.assertEqual(guest.communicate(timeout=30)[0], "sum 23\n")
            connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kiln", required=True)
    parser.add_argument("--programs", required=True, help="where debugged_static is")
    options, rest = parser.parse_known_args()
    KILN, PROGRAM = str(Path(options.kiln).resolve()), str(Path(options.programs, "debugged_static"))
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
