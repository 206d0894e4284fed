"""A terminal with a program in it: what a person would see, and the keys that he presses.

    terminal = Terminal([program, "watch"], rows=24, columns=80)
    terminal.sees("holding")            waits until the words are on the screen
    terminal.press("q")
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(rb"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Screen:
    """What is shown. Knows the few sequences that are in use, and complains of every other."""

    def __init__(self, rows, columns):
        self.main, self.is_alternate, self.has_cursor = None, False, True
        self.resize(rows, columns)
        self.colours, self.wraps = False, True
        self.lost = b""  # a sequence that has not come whole

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells).rstrip()

    def feed(self, data):
        data, self.lost = self.lost + data, b""
        at = 0
        while at < len(data):
            if data[at] == 0x1b:
                found = SEQUENCE.match(data, at)
                if not found:
                    assert len(data) - at < 16, f"an unknown sequence: {data[at:at + 16]}"
                    self.lost = data[at:]
                    return
                self.obey(found.group(1).decode(), found.group(2).decode())
                at = found.end()
            else:
                self.put(data[at])
                at += 1

    def obey(self, numbers, letter):
        if letter == "m":
            self.colours = self.colours or numbers not in ("", "0")
        elif letter == "H" and not numbers:
            self.row = self.column = 0
        elif letter == "K" and not numbers:
            self.blank(self.row, self.column, self.columns)
        elif letter == "J" and numbers in ("", "2"):
            if numbers == "":
                self.blank(self.row, self.column, self.columns)
            for row in range(0 if numbers else self.row + 1, self.rows):
                self.blank(row, 0, self.columns)
        elif numbers == "?25":
            self.has_cursor = letter == "h"
        elif numbers == "?7":
            self.wraps = letter == "h"
        elif numbers == "?1049":
            if letter == "h":
                self.main, self.cells = self.cells, [[" "] * self.columns for _ in range(self.rows)]
            else:
                self.cells, self.main = self.main, None
            self.is_alternate = letter == "h"
        else:
            raise AssertionError(f"an unknown sequence: {numbers}{letter}")

    def blank(self, row, first, end):
        if row < self.rows:
            self.cells[row][first:end] = [" "] * (end - first)

    def put(self, byte):
        if byte == 13:
            self.column = 0
        elif byte == 10:
            self.row += 1
            if self.row == self.rows:
                assert not self.is_alternate, "the screen scrolled"
                self.cells = [*self.cells[1:], [" "] * self.columns]
                self.row -= 1
        else:
            assert 0x20 <= byte < 0x7f, f"not printable: {byte}"
            if self.column == self.columns:
                assert self.wraps or self.columns < 20, f"too long for the window: {self.text()}"
                if not self.wraps:
                    return
                self.put(13)
                self.put(10)
            self.cells[self.row][self.column] = chr(byte)
            self.column += 1


class Terminal:
    def __init__(self, argv, rows=24, columns=80, env=None):
        # The other end stays open here, so that what the program did to it can be seen after its end.
        self.master, self.slave = pty.openpty()
        self.screen, self.raw = Screen(rows, columns), b""
        self.resize(rows, columns)
        self.settings = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      env={"TERM": "xterm", **(env or {})}, start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def read(self, seconds=0.05):
        """False: nothing came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        self.screen.feed(data)
        return True

    def until(self, check, what, seconds=10.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            if found := check():
                return found
        raise AssertionError(f"not seen within {seconds} s: {what}\n{self.screen.text()}")

    def sees(self, *words, seconds=10.0):
        self.until(lambda: all(word in self.screen.text() for word in words), words, seconds)
        return self.screen.text()

    def misses(self, word, seconds=10.0):
        self.until(lambda: word not in self.screen.text(), f"that {word} goes", seconds)
        return self.screen.text()

    def press(self, keys):
        os.write(self.master, keys.encode())

    def resize(self, rows, columns):
        while self.read():
            pass  # the rest of what was drawn for the size before
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number):
        self.child.send_signal(number)

    @property
    def running(self):
        return self.child.poll() is None

    def ends(self, seconds=10.0):
        """Its exit code."""
        self.until(lambda: not self.running, "its end", seconds)
        self.read()
        return self.child.returncode

    def is_restored(self):
        """As it was before: no alternate screen, a cursor, an echo."""
        return (not self.screen.is_alternate and self.screen.has_cursor and self.screen.wraps
                and termios.tcgetattr(self.slave) == self.settings)

    def stop(self):
        if self.running:
            self.child.kill()
            self.child.wait()
        os.close(self.master)
        os.close(self.slave)
