"""Clients and servers with the behaviour of the Python sockets tutorial's, written from the description in
docs/framed.md: an independent reading of the format."""

import json
import selectors
import socket
import struct
import sys

ENTRIES = {
    "morpheus": "Follow the white rabbit. \U0001f430",
    "ring": "In the caves beneath the Misty Mountains. \U0001f48d",
    "\U0001f436": "\U0001f43e Playing ball! \U0001f3d0",
}


def encode(content, kind, encoding):
    header = {
        "byteorder": sys.byteorder,
        "content-type": kind,
        "content-encoding": encoding,
        "content-length": len(content),
    }
    header = json.dumps(header, ensure_ascii=False).encode("utf-8")
    return struct.pack(">H", len(header)) + header + content


def text(value):
    return encode(json.dumps(value, ensure_ascii=False).encode("utf-8"), "text/json", "utf-8")


def receive(connection):
    def exactly(length):
        data = b""
        while len(data) < length:
            more = connection.recv(4096 if length - len(data) > 4096 else length - len(data))
            if not more:
                raise RuntimeError("Peer closed.")
            data += more
        return data

    header = json.loads(exactly(struct.unpack(">H", exactly(2))[0]).decode("utf-8"))
    for key in ("byteorder", "content-length", "content-type", "content-encoding"):
        if key not in header:
            raise ValueError(f"Missing required header '{key}'.")
    content = exactly(header["content-length"])
    if header["content-type"] == "text/json":
        return header, json.loads(content.decode(header["content-encoding"]))
    return header, content


def app_client(port, action, value):
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        if action == "search":
            connection.sendall(text({"action": action, "value": value}))
        else:
            content = (action + value).encode("utf-8")
            connection.sendall(encode(content, "binary/custom-client-binary-type", "binary"))
        header, answer = receive(connection)
        end = connection.recv(1)
    kind = header["content-type"]
    shown = answer["result"] if kind == "text/json" else repr(answer)
    print(kind, shown, "closed" if end == b"" else "open", sep="\n")


def app_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                header, request = receive(connection)
                if header["content-type"] != "text/json":
                    answer = b"First 10 bytes of request: " + request[:10]
                    connection.sendall(encode(answer, "binary/custom-server-binary-type", "binary"))
                elif request.get("action") == "search":
                    query = request.get("value")
                    answer = ENTRIES.get(query) or f"No match for '{query}'."
                    connection.sendall(text({"result": answer}))
                else:
                    action = request.get("action")
                    connection.sendall(text({"result": f"Error: invalid action '{action}'."}))


def multiconn_server():
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    print(listener.getsockname()[1], flush=True)
    while True:
        for key, mask in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, bytearray())
                continue
            if mask & selectors.EVENT_READ:
                received = key.fileobj.recv(1024)
                if not received:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                key.data.extend(received)
            if mask & selectors.EVENT_WRITE and key.data:
                del key.data[: key.fileobj.send(key.data)]


def echo_client(port):
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(b"Hello, world")
        print(connection.recv(1024).decode())


if __name__ == "__main__":
    {
        "app-client": app_client,
        "app-server": app_server,
        "multiconn-server": multiconn_server,
        "echo-client": echo_client,
    }[sys.argv[1]](*sys.argv[2:])
