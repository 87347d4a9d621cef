#!/usr/bin/env python3
"""Figures that the load ruler does not take: memory of idle sessions and of the supervisor, the gap after `kill -9`,
coloured output against plain, starts beside full logs, and the time to the first listener. One line each. Loopback only;
ends what it starts.

    benches/figures.py target/release/anywire
"""
import concurrent.futures
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/anywire")
FOLDER = tempfile.TemporaryDirectory(prefix="anywire-figures-")


class Server:
    def __init__(self, *command, pipe=False):
        env = dict(os.environ, ANYWIRE_RUNTIME_DIR=FOLDER.name, ANYWIRE_GRACE="0.2")
        flags = ["--no-auth", "-l", "tcp://127.0.0.1:0"] + (["--pipe"] if pipe else [])
        self.started = time.monotonic()
        self.process = subprocess.Popen([BINARY, "serve", *flags, "--", *command], stdout=subprocess.PIPE, env=env)
        self.port = int(self.process.stdout.readline().decode().strip().rsplit(":", 1)[1])
        self.start_seconds = time.monotonic() - self.started

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def server(self):
        while True:
            pid = self.process.pid
            for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
                try:
                    if b"__server" in open(f"/proc/{child}/cmdline", "rb").read():
                        return int(child)
                except OSError:
                    pass

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def status(pid, key):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def cpu(pid):
    """Seconds on a processor of the threads that live, to the nanosecond."""
    return sum(int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0]) for task in os.listdir(f"/proc/{pid}/task")) / 1e9


def start():
    seconds = []
    for _ in range(9):
        server = Server("cat")
        seconds.append(server.start_seconds)
        server.stop()
    print(f"start to first listener: {statistics.median(seconds) * 1000:.0f} ms (median of 9)")


def idle(count=1000, at_once=16):
    """Sessions that start, at most so many at the same time, and then do nothing."""
    server = Server("cat")
    children = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    warm = [server.connect() for _ in range(20)]
    time.sleep(1)
    worker = server.server()
    keys = ("RssAnon", "RssShmem", "Threads")
    before = [status(worker, key) for key in keys] + [status(server.process.pid, "RssAnon")]
    connections = []
    for _ in range(count):
        connections.append(server.connect())
        # The server and the programs of the first twenty are children too.
        while len(connections) + 21 - len(open(children).read().split()) >= at_once:
            time.sleep(0.0005)
    while len(open(children).read().split()) < count + 21:
        time.sleep(0.1)
    time.sleep(2)
    after = [status(worker, key) for key in keys] + [status(server.process.pid, "RssAnon")]
    per = [(b - a) / count for a, b in zip(before, after)]
    print(f"idle terminal session ({count}, {at_once} started at once, over tcp): server RssAnon {per[0]:.2f} KiB, shared {per[1]:.2f} KiB, "
          f"threads {after[2] - before[2]:+d}; supervisor {before[3]} KiB + {per[3]:.2f} KiB a session")
    for connection in warm + connections:
        connection.close()
    server.stop()


def gap(sessions=100, kills=15):
    server = Server("cat")
    connections = [server.connect() for _ in range(sessions)]
    time.sleep(1)
    gaps = []
    for _ in range(kills):
        worker = server.server()
        killed = time.monotonic()
        os.kill(worker, 9)
        while True:
            try:
                probe = server.connect()
                probe.settimeout(5)
                probe.sendall(b"x\n")
                if probe.recv(16):
                    break
            except OSError:
                time.sleep(0.001)
        gaps.append(time.monotonic() - killed)
        connections.append(probe)
        time.sleep(0.3)
    print(f"service gap after kill -9, {sessions} sessions and more: "
          f"{statistics.median(gaps) * 1000:.0f} ms (median of {kills}, worst {max(gaps) * 1000:.0f} ms)")
    server.stop()


def corpus(coloured):
    lines = []
    for n in range(60_000):
        name = f"some-folder-{n:06}"
        lines.append(f"drwxr-xr-x 2 root root 4096 Nov 21 03:15 \x1b[0m\x1b[01;34m{name}\x1b[0m/ and \x1b[01;32mrun.sh\x1b[0m*"
                     if coloured else f"drwxr-xr-x 2 root root 4096 Nov 21 03:15 {name}/ and run.sh* {'x' * 27}")
    path = os.path.join(FOLDER.name, "coloured" if coloured else "plain")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def colours(rounds=5):
    paths = [corpus(False), corpus(True)]
    costs = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            server = Server("sh", "-c", f"read go; for i in $(seq 24); do cat {path}; done; echo END''_MARK; cat")
            connection = server.connect()
            time.sleep(0.3)
            worker = server.server()
            before = cpu(worker)
            connection.sendall(b"\n")
            got, tail = 0, b""
            while b"END_MARK" not in tail:
                data = connection.recv(1 << 18)
                got += len(data)
                tail = (tail + data)[-64:]
            costs[path].append((cpu(worker) - before) / (got / 1e9))
            connection.close()
            server.stop()
    plain, coloured = (statistics.median(costs[path]) for path in paths)
    print(f"output without a keyframe asked: plain {plain:.2f} s/GB, coloured {coloured:.2f} s/GB, "
          f"ratio {coloured / plain:.2f} (medians of {rounds})")


def more(connection, most):
    data = connection.recv(most)
    if not data:
        sys.exit("the server closed a connection")
    return data


def fill(server, count=128, log=2 << 20):
    """Sessions whose logs are full, so that the server has 256 MiB resident; returns their connections and how much."""
    connections = [server.connect() for _ in range(count)]
    for connection in connections:
        connection.sendall(f"yes | head -c {log}; echo END''_MARK\n".encode())
    for connection in connections:
        tail = b""
        while b"END_MARK" not in tail:
            tail = (tail + more(connection, 1 << 18))[-64:]
    return connections, status(server.server(), "VmRSS") >> 10


def starts(server, count=300, at_once=8):
    """Sessions a second, each live and seen to be."""
    def some():
        connections = []
        for _ in range(count // at_once):
            connection = server.connect()
            got = b""
            while b"hi" not in got:
                got += more(connection, 64)
            connections.append(connection)
        return connections
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        live = [pool.submit(some) for _ in range(at_once)]
        live = [connection for future in live for connection in future.result()]
    return live, len(live) / (time.monotonic() - begun)


def resident(rounds=5):
    rates, sizes = {False: [], True: []}, []
    for _ in range(rounds):
        for is_full in rates:
            server = Server("sh", "-c", "stty -echo; echo hi; exec sh")
            server.connect()
            connections, size = fill(server) if is_full else ([], 0)
            sizes.append(size)
            live, rate = starts(server)
            rates[is_full].append(rate)
            for connection in connections + live:
                connection.close()
            server.stop()
    empty, full = (statistics.median(rates[is_full]) for is_full in rates)
    print(f"live sessions a second: {empty:.0f}, with {max(sizes)} MiB resident in the server {full:.0f}, "
          f"ratio {full / empty:.2f} (medians of {rounds})")


for figure in (start, idle, gap, colours, resident):
    figure()
