#!/usr/bin/env python3
"""Runs the load ruler (a folder with run.py, named by $RULER) against this build, counting what it must count.

The ruler measures the process that it started. For `anywire serve` that is the supervisor; the work is done by the
server, its child. This adds the server's pid. Arguments are the ruler's own:

    RULER=path ANYWIRE=target/release/anywire benches/ruler.py -r 3 out-text aw,ptyd-coalesce
"""
import os
import sys

RULER = os.environ.get("RULER")
if not RULER:
    sys.exit("set RULER to the folder of the ruler's run.py")


def pids(started):
    """The started process and, if it is a supervisor, its server."""
    found = [started]
    for task in os.listdir(f"/proc/{started}/task"):
        with open(f"/proc/{started}/task/{task}/children") as children:
            for child in children.read().split():
                with open(f"/proc/{child}/cmdline", "rb") as cmdline:
                    if b"__server" in cmdline.read():
                        found.append(int(child))
    return ",".join(map(str, found))


path = os.path.join(RULER, "run.py")
with open(path) as source:
    text = source.read()
one = "'--pid',str(srv.pid)"
if one not in text:
    sys.exit(f"{path} is not the ruler that this was written for")
sys.argv[0] = path
exec(compile(text.replace(one, "'--pid',pids(srv.pid)"), path, "exec"), {"__name__": "__main__", "__file__": path, "pids": pids})
