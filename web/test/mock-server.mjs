#!/usr/bin/env node
/**
 * A stand-in for `anywire serve`, just enough to try the page: a shell on a PTY, the whole log kept, a second
 * process for the network that may be killed. Not a reference for the protocol, docs/protocol.md is.
 *
 *     node test/mock-server.mjs serve -l http://127.0.0.1:0
 */

import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Input: 'd' or 'r', length (4 bytes), payload. Output: the PTY's bytes. Exits with the shell's code. */
const PTY_BRIDGE = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(os.environ.get('SHELL', 'bash'), [os.environ.get('SHELL', 'bash')])
def need(n):
    b = b''
    while len(b) < n:
        c = os.read(0, n - len(b))
        if not c: os._exit(0)
        b += c
    return b
while True:
    ready = select.select([0, fd], [], [])[0]
    if 0 in ready:
        kind, n = struct.unpack('>cI', need(5))
        data = need(n)
        if kind == b'r':
            cols, rows = struct.unpack('>HH', data)
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
        while kind == b'd' and data:
            data = data[os.write(fd, data):]
    if fd in ready:
        try: out = os.read(fd, 65536)
        except OSError: break
        while out: out = out[os.write(1, out):]
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const frame = (kind, offset, bytes) => {
  const head = Buffer.alloc(9);
  head[0] = kind;
  head.writeBigUInt64BE(BigInt(offset), 1);
  return Buffer.concat([head, bytes]);
};

class Session {
  id = randomBytes(16).toString('hex');
  size = { cols: 80, rows: 24 };
  parts = [];
  head = 0;
  taken = new Map();
  attached = new Map();
  constructor(size) {
    this.bridge = spawn('python3', ['-c', PTY_BRIDGE], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.bridge.stdout.on('data', (bytes) => {
      this.parts.push({ offset: this.head, bytes });
      this.head += bytes.length;
      this.feed();
    });
    this.bridge.on('close', (code) => {
      this.exit = { type: 'exit', reason: {}, code, message: `exited with code ${code}`, offset: this.head };
      this.feed();
    });
    this.resize(size);
  }
  command(kind, payload) {
    const head = Buffer.alloc(5);
    head.write(kind);
    head.writeUInt32BE(payload.length, 1);
    if (!this.exit) this.bridge.stdin.write(Buffer.concat([head, payload]));
  }
  resize(size) {
    this.size = size;
    const payload = Buffer.alloc(4);
    payload.writeUInt16BE(size.cols);
    payload.writeUInt16BE(size.rows, 2);
    this.command('r', payload);
    for (const a of this.attached.values()) {
      a.text({ type: 'resize', ...size, offset: this.head });
    }
  }
  feed() {
    for (const [key, a] of this.attached) {
      while (a.next < this.head && a.next < a.acked + a.window) {
        const part = this.parts.findLast((p) => p.offset <= a.next);
        const bytes = part.bytes.subarray(a.next - part.offset);
        a.bytes(frame(1, a.next, bytes));
        a.next += bytes.length;
      }
      if (this.exit && a.next === this.head) {
        a.text(this.exit);
        a.close(1000);
        this.attached.delete(key);
      }
    }
  }
}

/** The process that keeps sessions; the network lives in a child that is started again when it dies. */
function supervise(port) {
  const sessions = new Map();
  const links = new Map();
  const code = randomBytes(6)
    .toString('hex')
    .slice(0, 10)
    .toUpperCase()
    .replaceAll(/[0189]/g, 'A');
  const cookie = randomBytes(16).toString('hex');
  let announced = false;

  function start() {
    const child = fork(fileURLToPath(import.meta.url), ['--network'], {
      serialization: 'advanced',
      env: { ...process.env, MOCK: JSON.stringify({ port, code, cookie }) },
    });
    child.on('message', (message) => {
      if (message.port) {
        port = message.port;
        if (!announced) console.log(`  http://127.0.0.1:${port}/#code=${code}`);
        announced = true;
      } else if (message.data === undefined) {
        links.get(message.link)?.session?.attached.delete(message.link);
        links.delete(message.link);
      } else {
        receive(child, message);
      }
    });
    child.on('exit', () => {
      for (const session of sessions.values()) session.attached.clear();
      links.clear();
      start();
    });
  }

  function receive(child, { link, data, binary }) {
    const send = (message) => child.connected && child.send({ link, ...message }, () => {});
    const text = (value) => send({ data: JSON.stringify(value) });
    const to = links.get(link);
    if (binary) {
      const bytes = Buffer.from(data);
      const { session, client, role } = to;
      if (role === 'viewer')
        return text({ type: 'error', code: 'forbidden', message: 'viewers may not type' });
      const offset = Number(bytes.readBigUInt64BE(1));
      const taken = session.taken.get(client) ?? 0;
      session.taken.set(client, Math.max(taken, offset + bytes.length - 9));
      session.command('d', bytes.subarray(9 + taken - offset));
      return text({ type: 'input', offset: session.taken.get(client) });
    }
    const message = JSON.parse(data.toString());
    if (message.type === 'hello') {
      const size = { cols: message.cols ?? 80, rows: message.rows ?? 24 };
      const session = message.session ? sessions.get(message.session) : new Session(size);
      if (!session) {
        text({ type: 'error', code: 'no-such-session', message: 'There is no such session.' });
        return send({ close: 4404 });
      }
      sessions.set(session.id, session);
      const role = message.role ?? 'owner';
      links.set(link, { session, client: message.client, role });
      text({
        type: 'welcome',
        session: session.id,
        name: 'bash',
        service: 'shell',
        io: 'pty',
        role,
        ...session.size,
        head: session.head,
        from: message.since ?? 0,
        input: session.taken.get(message.client) ?? 0,
        uncertain: 0,
      });
      const next = message.since ?? 0;
      const window = message.window ?? Infinity;
      session.attached.set(link, {
        next,
        acked: next,
        window,
        text,
        bytes: (data) => send({ data }),
        close: (close) => send({ close }),
      });
      return session.feed();
    }
    if (message.type === 'ping') return text({ type: 'pong', id: message.id });
    if (message.type === 'resize' && to.role !== 'viewer')
      to.session.resize({ cols: message.cols, rows: message.rows });
    const attachment = to.session.attached.get(link);
    if (message.type === 'ack' && attachment) {
      attachment.acked = message.offset;
      to.session.feed();
    }
  }
  start();
}

/** The process of the network: files, login, WebSockets handed through to the parent. */
function network({ port, code, cookie }) {
  const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
  const sockets = new Map();
  const allowed = (request) => (request.headers.cookie ?? '').includes(`anywire=${cookie}`);
  const sameOrigin = ({ headers }) => !headers.origin || headers.origin === `http://${headers.host}`;

  const server = http.createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const answer = (status, headers = {}, body = '') => response.writeHead(status, headers).end(body);
    if (!sameOrigin(request)) return answer(403);
    if (path === '/api/login' && request.method === 'POST') {
      let body = '';
      for await (const part of request) body += part;
      if (JSON.parse(body).code !== code) return answer(401);
      return answer(204, { 'set-cookie': `anywire=${cookie}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (path === '/api/sessions') return answer(allowed(request) ? 200 : 401, {}, '[]');
    try {
      const name = path === '/' ? 'index.html' : path.slice(1);
      const body = await readFile(`${root}dist/${name.replaceAll('/', '')}`);
      const policy = (await readFile(`${root}CSP.txt`, 'utf8')).trim();
      const type = TYPES[name.split('.').at(-1)] ?? 'text/plain';
      answer(200, { 'content-type': type, 'content-security-policy': policy }, body);
    } catch {
      answer(404);
    }
  });
  const websockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 });
  server.on('upgrade', (request, socket, head) => {
    const status = !sameOrigin(request) ? 403 : !allowed(request) ? 401 : 101;
    if (status !== 101) return socket.end(`HTTP/1.1 ${status} Refused\r\ncontent-length: 0\r\n\r\n`);
    websockets.handleUpgrade(request, socket, head, (ws) => {
      const link = randomBytes(8).toString('hex');
      sockets.set(link, ws);
      ws.on('message', (data, binary) => process.send({ link, data, binary }));
      ws.on('close', () => {
        sockets.delete(link);
        process.send({ link });
      });
    });
  });
  process.on('message', ({ link, data, close }) => {
    const ws = sockets.get(link);
    if (data !== undefined) ws?.send(data);
    if (close !== undefined) ws?.close(close);
  });
  process.on('disconnect', () => process.exit());
  const listen = () => server.listen(port, '127.0.0.1');
  server.on('listening', () => process.send({ port: server.address().port }));
  server.on('error', () => setTimeout(listen, 50));
  listen();
}

if (process.argv[2] === '--network') network(JSON.parse(process.env.MOCK));
else supervise(Number(new URL(process.argv[process.argv.indexOf('-l') + 1]).port || 0));
