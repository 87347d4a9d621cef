#!/usr/bin/env python3
"""Records the corpus: what real programs write to a terminal of 80x24.

Usage: record.py [NAME]... (default: all). Needs vim, less, top, tmux and ls. Programs run in a made-up home, and top
among made-up processes, so that nothing of the machine gets into the files; programs are given keys only once their output has
been quiet for a while, so that each step is drawn.
"""

import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import sys
import tempfile
import termios

HERE = pathlib.Path(__file__).parent
COLS, ROWS = 80, 24
QUIET = 0.4  # seconds without output after which the next keys are sent


def record(argv, keys, cwd):
    """Runs argv on a terminal, sends each of keys once the output is quiet, and returns all output."""
    env = {
        "HOME": cwd, "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor",
        "PS1": "\\[\\e[1;32m\\]user@host\\[\\e[0m\\]:\\[\\e[1;34m\\]\\w\\[\\e[0m\\]$ ", "SHELL": "/bin/bash",
        "LESSHISTFILE": "-", "TMUX_TMPDIR": cwd,
    }
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
        os.execvpe(argv[0], argv, env)
    output = bytearray()
    keys = list(keys)
    while True:
        ready, _, _ = select.select([master], [], [], QUIET)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
        elif keys:
            os.write(master, keys.pop(0))
        else:
            os.kill(pid, signal.SIGKILL)
            break
    os.waitpid(pid, 0)
    os.close(master)
    return bytes(output)


def tree(cwd):
    """Files with names and types that ls colours."""
    root = pathlib.Path(cwd)
    for n in range(60):
        (root / f"file-{n:03}.txt").write_text(f"line {n}\n" * n)
    for n in range(12):
        (root / f"directory {n}").mkdir()
        os.symlink(f"file-{n:03}.txt", root / f"link-{n}")
        script = root / f"script-{n}.sh"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        (root / f"archive-{n}.tar.gz").touch()
    (root / "日本語のファイル名.txt").touch()
    (root / "émile😀.png").touch()
    code = ["//! Wide: 你好, combining: e\u0301o\u0308, emoji: 👍", "fn main() {"]
    code += [f'    println!("line {n} \\t of {{}}", "{"=" * (n % 70)}"); // {n}' for n in range(120)] + ["}"]
    (root / "main.rs").write_text("\n".join(code) + "\n")


GRADIENT = r"""
import sys
for row in range(30):
    for col in range(79):
        r, g, b = col * 3, row * 8, 255 - col * 3
        sys.stdout.write(f"\x1b[48;2;{r};{g};{b}m\x1b[38;2;{255-r};{255-g};{255-b}m{chr(33 + (col + row) % 90)}")
    sys.stdout.write("\x1b[0m\r\n")
for n in range(256):
    sys.stdout.write(f"\x1b[38;5;{n}m{n:4}\x1b[48;5;{n}m  \x1b[0m")
for style in ("1", "2", "3", "4", "4:3", "7", "8", "9", "1;4;7", "21", "4;58:5:9"):
    sys.stdout.write(f"\r\n\x1b[{style}mstyle {style}\x1b[0m plain")
sys.stdout.write("\r\n")
"""

WIDE = r"""
import sys
text = "日本語 한국어 中文 e\u0301a\u0308 👍😀 ─│┌ ascii "
for n in range(40):
    sys.stdout.write(f"{n} " + text * (n % 4) + "x" * (n % 7) + "\r\n" * (n % 3))
    if n % 5 == 0:
        sys.stdout.write(f"\x1b[{n % 20 + 1};{70 + n % 10}H語字\x1b[31m終\x1b[0m")
    if n % 7 == 0:
        sys.stdout.write(f"\x1b[{n % 20 + 1};2H\x1b[3P\x1b[2@ab\x1b[5Xc\x1b[10C\x1b[1K")
"""

SYNC = r"""
import sys
for n in range(60):
    sys.stdout.write("\x1b[?2026h\x1b[H")
    for row in range(20):
        sys.stdout.write(f"\x1b[{row + 1};1H\x1b[{31 + (row + n) % 7}mframe {n} row {row}\x1b[K")
    sys.stdout.write("\x1b[m\x1b[?2026l")
    if n == 30:
        sys.stdout.write("\x1b[5;15r\x1b[15;1H" + "\r\nscrolled" * 8 + "\x1bM" * 3 + "\x1b[r")
"""

# A process namespace of its own, so that top shows nothing of the machine (needs root).
ALONE = [
    "unshare", "--fork", "--pid", "--mount-proc", "sh", "-c",
    "for n in $(seq 30); do sleep 9$n & done; \"$@\"; kill $(jobs -p)", "sh", "sh", "-c",
]

PROGRAMS = {
    "ls": (["ls", "--color=always", "-la", "/usr/bin"], []),
    "ls-columns": (["ls", "--color=always", "-C"], []),
    "seq": (["seq", "1", "4000"], []),
    "vim": (
        ["vim", "-u", "NONE", "-N", "+set nocp ruler showcmd hls", "+syntax on", "main.rs"],
        [b"\x06", b"\x06", b"/line 5\r", b"n", b"dd", b"P", b"Ohello \xe4\xbd\xa0\x1b", b":split\r", b"\x04", b"\x04",
         b"u", b":vsplit\r", b"Gkk", b"\x17w", b"ggVGd", b"u", b":q!\r:q!\r:q!\r"],
    ),
    "vim-editing": (
        ["vim", "-u", "NONE", "-N", "+syntax on", "+set number", "main.rs"],
        [b"10G", b"otyped by hand", b"\r\tmore", b"\x1b", b"40G", b"zt", b"vjjj", b":echo 'unfinished"],
    ),
    "less": (["less", "-N", "-R", "main.rs"], [b" ", b" ", b"/line 9\r", b"n", b"b", b"g", b"jjj", b"G", b"q"]),
    "top-batch": (ALONE + ["top -b -n 3 -d 0.2"], []),
    "top": (ALONE + ["top -d 0.5"], [b"1", b"z", b"<", b"V", b"c", b"q"]),
    "tmux": (
        ["tmux", "-f", "/dev/null", "new-session", "bash --norc"],
        [b"ls --color\r", b"\x02%", b"seq 50\r", b"\x02\"", b"echo hi\r", b"\x02o", b"\x02z", b"\x02:kill-server\r"],
    ),
    "bash": (
        ["bash", "--norc", "-i"],
        [b"echo one two three", b"\x01", b"\x1b[C\x1b[C", b"x", b"\x05\x17", b"\r", b"ls\t\t", b"\x15",
         b"printf '%0200d\\n' 7\r", b"\x12ech", b"\x07", b"exit\r"],
    ),
    "truecolour": ([sys.executable, "-c", GRADIENT], []),
    "wide": ([sys.executable, "-c", WIDE], []),
    "synchronized": ([sys.executable, "-c", SYNC], []),
}


def main():
    for name in sys.argv[1:] or PROGRAMS:
        argv, keys = PROGRAMS[name]
        with tempfile.TemporaryDirectory() as cwd:
            tree(cwd)
            output = record(argv, keys, cwd)
        # ls of a whole system is long: its beginning will do.
        output = output[: 48 * 1024]
        (HERE / f"{name}.bin").write_bytes(output)
        print(f"{name}: {len(output)} bytes")


if __name__ == "__main__":
    main()
