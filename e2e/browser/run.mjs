/**
 * Drives the page in a real browser against the real binary: open, type, resize, edit, reload, lose the server.
 *
 *     ANYWIRE_BIN=target/release/anywire node e2e/browser/run.mjs
 *
 * Needs Chromium (Debian: `apt-get install chromium`; another path in CHROMIUM) and, once, `npm ci` in web/.
 * Prints one line per check; exit code 0 when all passed. SCREENSHOTS=DIR keeps a picture in the dark and in the light.
 */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const { chromium } = createRequire(join(here, '../../web/package.json'))('playwright-core');

const BIN = process.env.ANYWIRE_BIN;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** How long a condition may take before the check counts as failed, in milliseconds. */
const PATIENCE = Number(process.env.PATIENCE ?? 30_000);
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let passed = 0;
let failed = 0;

async function check(name, run) {
  try {
    const note = await Promise.race([run(), tooLong()]);
    passed += 1;
    console.log(`ok    ${name}${note ? ` (${note})` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${String(error.message ?? error).split('\n')[0]}`);
  }
}

/** Whatever a check waits for, it does not wait for ever. */
function tooLong() {
  return new Promise((_, fail) => {
    setTimeout(() => fail(new Error('took too long')), 4 * PATIENCE).unref();
  });
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** The server under test in a home of its own; `url` is what it printed. */
async function startServer(home) {
  const child = spawn(resolve(BIN), ['serve', '-l', 'http://127.0.0.1:0'], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      SHELL: '/bin/bash',
      HOME: home,
      PS1: '$ ',
      ANYWIRE_RUNTIME_DIR: join(home, 'run'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (bytes) => (errors = (errors + bytes).slice(-4000)));
  const url = await new Promise((found, lost) => {
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const match = /http:\/\/127\.0\.0\.1:\d+\/#code=[A-Za-z0-9]+/.exec(text);
      if (match) found(match[0]);
    });
    child.on('error', lost);
    child.on('exit', (code) => lost(new Error(`the server ended with ${code}: ${errors}`)));
  });
  return { child, url, errors: () => errors };
}

async function stopServer(child) {
  const gone = new Promise((done) => child.on('exit', done));
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

/** Children of a process, over all of its threads. */
async function childrenOf(pid) {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}

/** The child of the supervisor that is the server: it runs the same program, the sessions' programs do not. */
async function serverPid(supervisor) {
  const own = await identity(supervisor);
  for (const pid of await childrenOf(supervisor)) {
    if ((await identity(pid).catch(() => '')) === own) return pid;
  }
  throw new Error('the supervisor has no server');
}

async function identity(pid) {
  const file = await stat(`/proc/${pid}/exe`);
  return `${file.dev}:${file.ino}`;
}

/** One page with the helpers that the checks need. */
class Page {
  constructor(page) {
    this.page = page;
    this.complaints = [];
    /** Every hello that the page has sent. */
    this.hellos = [];
    page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => {
        if (typeof payload === 'string' && payload.includes('"hello"')) this.hellos.push(JSON.parse(payload));
      }),
    );
    page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML|TrustedScript/.test(message.text())) {
        this.complaints.push(message.text());
      }
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  static async open(context, url) {
    const page = new Page(await context.newPage());
    await page.page.goto(url);
    return page;
  }

  state(kind) {
    return this.page.waitForSelector(`#status[data-state=${kind}]`, {
      timeout: PATIENCE,
    });
  }

  /** Every line of the terminal, wrapped ones joined. */
  lines() {
    return this.page.evaluate(() => {
      const buffer = globalThis.anywire.terminal.buffer.active;
      const lines = [];
      for (let y = 0; y < buffer.length; y += 1) {
        const line = buffer.getLine(y);
        const text = line.translateToString(true);
        if (line.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
        else lines.push(text);
      }
      return lines;
    });
  }

  /** Waits until a line of the screen matches. */
  async see(pattern) {
    await this.page.waitForFunction(
      ([source, flags]) => {
        const terminal = globalThis.anywire?.terminal;
        if (!terminal) return false;
        const wanted = new RegExp(source, flags);
        const buffer = terminal.buffer.active;
        for (let y = Math.max(0, buffer.length - 2 * terminal.rows); y < buffer.length; y += 1) {
          if (wanted.test(buffer.getLine(y).translateToString(true))) return true;
        }
        return false;
      },
      [pattern.source, pattern.flags],
      { timeout: PATIENCE, polling: 50 },
    );
  }

  async type(text) {
    await this.page.focus('.xterm-helper-textarea');
    await this.page.keyboard.type(text);
  }

  async run(command) {
    await this.type(`${command}\n`);
  }

  /** What a command prints between marks; the marks are split in what is typed, so that only the output matches. */
  async output(command) {
    const mark = `m${Math.random().toString(36).slice(2, 10)}`;
    await this.run(`echo "${mark.slice(0, 4)}""${mark.slice(4)}<$(${command})>"`);
    await this.see(new RegExp(`^${mark}<.*>`));
    const line = (await this.lines()).findLast((text) => text.startsWith(`${mark}<`));
    return line.slice(mark.length + 1, line.lastIndexOf('>'));
  }

  size() {
    return this.page.evaluate(() => {
      const { rows, cols } = globalThis.anywire.terminal;
      return `${rows} ${cols}`;
    });
  }

  screen() {
    return this.page.evaluate(() => {
      const { buffer, rows } = globalThis.anywire.terminal;
      const { active } = buffer;
      const lines = [];
      for (let y = 0; y < rows; y += 1) {
        lines.push(active.getLine(active.baseY + y)?.translateToString(true) ?? '');
      }
      return `${lines.join('\n')}\ncursor ${active.cursorX},${active.cursorY}`;
    });
  }
}

async function until(condition, what) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

async function openAndType(context, { base, code, home }) {
  let page;
  await check('the address from standard output opens a shell', async () => {
    page = await Page.open(context, `${base}#code=${code}&test&scrollback=200000`);
    await page.state('connected');
  });
  await check('the code leaves the address bar, the session enters it', async () => {
    const url = await until(() => (/[#&]s=/.test(page.page.url()) ? page.page.url() : ''), 'a session id');
    expect(!url.includes('code'), url);
  });
  await check('what is typed is run', async () => {
    await page.run('echo "all is"" well"');
    await page.see(/^all is well$/);
  });
  await check('keys beyond ASCII arrive as UTF-8', async () => {
    await page.run('printf %s "äö→字" | od -An -tx1');
    await page.see(/c3 a4 c3 b6 e2 86 92 e5 ad 97/);
  });
  await check('the title of the program becomes the title of the page', async () => {
    await page.run(String.raw`printf '\033]0;<b>my title\007'`);
    await page.page.waitForFunction(() => document.title === '<b>my title - anywire', undefined, {
      timeout: PATIENCE,
    });
  });
  await check('the latency is shown', async () => {
    await page.page.waitForFunction(
      () => /ms$/.test(document.querySelector('[data-part=latency]').textContent),
      undefined,
      { timeout: PATIENCE },
    );
  });
  await check('the size follows the window', async () => {
    for (const [width, height] of [
      [1100, 700],
      [700, 420],
    ]) {
      const before = await page.size();
      await page.page.setViewportSize({ width, height });
      await until(async () => (await page.size()) !== before, 'a resize');
      const size = await page.size();
      expect((await page.output('stty size')) === size, `stty does not say ${size}`);
    }
    return page.size();
  });
  await check('vim opens, edits and quits', async () => {
    await page.run('vim -u NONE notes.txt');
    await page.page.waitForFunction(
      () => globalThis.anywire.terminal.buffer.active.type === 'alternate',
      undefined,
      {
        timeout: PATIENCE,
      },
    );
    await page.see(/^~ *$/);
    await page.type('ihello from vim');
    await page.page.keyboard.press('Escape');
    await page.type(':wq\n');
    await page.page.waitForFunction(
      () => globalThis.anywire.terminal.buffer.active.type === 'normal',
      undefined,
      {
        timeout: PATIENCE,
      },
    );
    expect((await page.output('cat notes.txt')) === 'hello from vim', 'the file is not what was typed');
    expect((await readFile(join(home, 'notes.txt'), 'utf8')) === 'hello from vim\n', 'the file is elsewhere');
  });
  return page;
}

async function reload(page) {
  await check('reload comes back to the same shell and the same screen', async () => {
    const pid = await page.output('echo $$');
    // A query in the scrollback must not be answered again, or the answer would be typed into the shell.
    await page.run(String.raw`printf '\033[6n\033[c'; read -t 9 -rsd c answer; clear; echo ready`);
    await page.see(/^ready$/);
    const before = await until(async () => {
      const screen = await page.screen();
      return /ready\n\S*[$#] /.test(screen) && screen;
    }, 'a prompt');
    await page.page.reload();
    await page.state('connected');
    await until(async () => (await page.screen()) === before, 'the same screen');
    const after = await page.output('echo $$');
    expect(after === pid, `shell ${after} instead of ${pid}`);
    return `pid ${pid}`;
  });
}

/** Numbers of `seq` that are missing or there more than once. */
function flawsOf(lines, last) {
  const seen = new Map();
  for (const line of lines) if (/^\d+$/.test(line)) seen.set(line, (seen.get(line) ?? 0) + 1);
  const flaws = [];
  for (let n = 1; n <= last; n += 1) {
    const times = seen.get(String(n)) ?? 0;
    if (times !== 1) flaws.push(`${n} x${times}`);
  }
  return flaws;
}

/**
 * One `seq 1 100000` with a kill; says at which part of its output the page had to resume. All of it is on its way
 * within some hundred milliseconds, so the caller repeats until the cut was inside.
 */
async function seqWithKill(page, supervisor) {
  const next = () => page.page.evaluate(() => globalThis.anywire.connection.next);
  const start = await next();
  const hellos = page.hellos.length;
  await page.run('clear; seq 1 100000; echo "the"" end"');
  await page.page.waitForFunction((from) => globalThis.anywire.connection.next > from + 4096, start, {
    timeout: PATIENCE,
    polling: 1,
  });
  const old = await serverPid(supervisor);
  process.kill(old, 'SIGKILL');
  await until(async () => (await serverPid(supervisor).catch(() => old)) !== old, 'a new server');
  await until(() => page.hellos.length > hellos, 'a resume');
  await page.see(/^the end$/);
  const flaws = flawsOf(await page.lines(), 100_000);
  expect(flaws.length === 0, `${flaws.length} lines wrong: ${flaws.slice(0, 8).join(', ')}`);
  return (page.hellos[hellos].since - start) / ((await next()) - start);
}

async function killServer(page, supervisor) {
  await check('kill -9 of the server in the middle of seq 1 100000: every line once', async () => {
    const pid = await page.output('echo $$');
    const cuts = [];
    for (let attempt = 0; attempt < 10 && !cuts.some((cut) => cut > 0.02 && cut < 0.9); attempt += 1) {
      cuts.push(await seqWithKill(page, supervisor));
      expect((await page.output('echo $$')) === pid, 'another shell');
    }
    const percent = cuts.map((cut) => `${Math.round(100 * cut)} %`).join(', ');
    expect(
      cuts.some((cut) => cut > 0.02 && cut < 0.9),
      `never in the middle, but at ${percent}`,
    );
    return `same shell, resumed at ${percent}`;
  });
  await check('what is typed while the server is away arrives once', async () => {
    const old = await serverPid(supervisor);
    process.kill(old, 'SIGKILL');
    await page.run('echo "typed"" blind"');
    await page.see(/^typed blind$/);
    const times = (await page.lines()).filter((line) => line === 'typed blind').length;
    expect(times === 1, `${times} times`);
  });
}

async function viewer(context, page) {
  const id = new URLSearchParams(new URL(page.page.url()).hash.slice(1)).get('s');
  const address = page.page.url().split('#')[0];
  const watcher = await Page.open(context, `${address}#s=${id}&view&test`);
  await check('a viewer sees the session and a badge', async () => {
    await watcher.state('connected');
    await watcher.page.waitForSelector('[data-part=view]:not([hidden])', {
      timeout: PATIENCE,
    });
    await page.run('echo "for all"" eyes"');
    await watcher.see(/^for all eyes$/);
  });
  await check('a viewer cannot type', async () => {
    await watcher.type('echo intruder\n');
    await page.run('echo "after"" that"');
    await watcher.see(/^after that$/);
    expect(!(await page.lines()).some((line) => line.includes('intruder')), 'it was typed');
  });
  await check('the server refuses a viewer that types, whatever its page does', async () => {
    const answer = await watcher.page.evaluate((session) => {
      const url = new URL('ws', document.baseURI);
      url.protocol = 'ws:';
      url.hash = '';
      return new Promise((done) => {
        const socket = new WebSocket(url, 'anywire.v1');
        socket.onopen = () =>
          socket.send(
            JSON.stringify({
              type: 'hello',
              session,
              role: 'viewer',
              client: '0123456789abcdef',
            }),
          );
        socket.onmessage = ({ data }) => {
          if (typeof data !== 'string') return;
          const message = JSON.parse(data);
          if (message.type === 'welcome') {
            const text = new TextEncoder().encode('echo intruder\n');
            const frame = new Uint8Array(9 + text.length);
            frame[0] = 1;
            frame.set(text, 9);
            socket.send(frame);
          }
          if (message.type === 'error') {
            socket.close();
            done(message.code);
          }
        };
        socket.onclose = ({ code }) => done(`closed ${code}`);
      });
    }, id);
    expect(answer === 'forbidden', answer);
    await page.run('echo "still"" clean"');
    await page.see(/^still clean$/);
    expect(!(await page.lines()).some((line) => line.includes('intruder')), 'it was typed');
  });
  await check('the strict policy of the page was never in its way', async () => {
    const complaints = [...page.complaints, ...watcher.complaints];
    expect(complaints.length === 0, complaints[0]);
  });
  await watcher.page.close();
}

async function evilPage(context, base) {
  const evil = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>evil</title>');
  });
  await new Promise((done) => evil.listen(0, '127.0.0.1', done));
  const { page } = await Page.open(context, `http://127.0.0.1:${evil.address().port}/`);
  await check('a page of another origin gets no WebSocket', async () => {
    const answer = await page.evaluate(
      (url) =>
        new Promise((done) => {
          const socket = new WebSocket(url, 'anywire.v1');
          socket.onopen = () => done('open');
          socket.onclose = ({ code }) => done(`closed ${code}`);
        }),
      `${base.replace('http:', 'ws:')}ws`,
    );
    expect(answer === 'closed 1006', answer);
  });
  await check('a page of another origin reads and logs in to nothing', async () => {
    const answers = await page.evaluate(async (url) => {
      const attempt = async (path, options) => {
        try {
          const { status } = await fetch(url + path, {
            credentials: 'include',
            ...options,
          });
          return status;
        } catch {
          return 'unreadable';
        }
      };
      return [
        await attempt('api/sessions'),
        await attempt('api/tickets', { method: 'POST' }),
        await attempt('api/login', {
          method: 'POST',
          body: '{"code":"AAAAAAAAAA"}',
        }),
      ];
    }, base);
    expect(
      answers.every((answer) => answer === 'unreadable'),
      answers.join(' '),
    );
  });
  await page.close();
  await new Promise((done) => evil.close(done));
}

async function strangers(browser, { base, code }) {
  const context = await browser.newContext();
  await check('a wrong code leads to the form', async () => {
    const page = await Page.open(context, `${base}#code=AAAAAAAAAA&test`);
    await page.page.waitForSelector('#login:not([hidden])', {
      timeout: PATIENCE,
    });
    expect(!page.page.url().includes('AAAA'), 'the code is still in the address');
    await page.page.close();
  });
  await check('no code leads to the form; the right one, typed loosely, opens', async () => {
    const page = await Page.open(context, `${base}#test`);
    const input = await page.page.waitForSelector('#login:not([hidden]) input', { timeout: PATIENCE });
    const loose = ` ${code.slice(0, 5).toLowerCase()}-${code.slice(5).toLowerCase()} `;
    await input.fill(loose);
    // After the wrong code above the server may ask for patience.
    await until(async () => {
      await page.page.click('#login button:not(:disabled)', { timeout: 500 }).catch(() => {});
      return (await page.page.getAttribute('#status', 'data-state')) === 'connected';
    }, 'a login');
    await page.page.close();
  });
  await check('exit shows its code and offers a new session', async () => {
    const page = await Page.open(context, `${base}#test`);
    await page.state('connected');
    const first = await until(
      () => new URLSearchParams(new URL(page.page.url()).hash.slice(1)).get('s'),
      'an id',
    );
    await page.run('exit 3');
    await page.state('ended');
    const text = await page.page.textContent('[data-part=state]');
    expect(/\b3\b/.test(text), text);
    await page.page.click('[data-part=new]');
    await page.state('connected');
    await until(() => {
      const now = new URLSearchParams(new URL(page.page.url()).hash.slice(1)).get('s');
      return now && now !== first;
    }, 'another session');
    await page.page.close();
  });
  await context.close();
}

async function screenshots(browser, { base, code }, page) {
  for (const colorScheme of ['dark', 'light']) {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 900, height: 480 },
    });
    const shot = await Page.open(context, `${base}#code=${code}&test&s=${page.session}`);
    await shot.state('connected');
    await shot.run('clear; ls --color -la /; vim --version | head -3');
    await shot.see(/VIM/);
    await shot.page.screenshot({
      path: join(process.env.SCREENSHOTS, `page-${colorScheme}.png`),
    });
    await context.close();
  }
}

async function main() {
  expect(BIN, 'Set ANYWIRE_BIN to the path of the anywire binary.');
  const home = await mkdtemp(join(tmpdir(), 'anywire-browser-'));
  const { child, url, errors } = await startServer(home);
  const base = url.split('#')[0];
  const place = { base, code: url.split('code=')[1], home };
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: FLAGS,
  });
  try {
    const context = await browser.newContext({
      viewport: { width: 900, height: 480 },
    });
    const page = await openAndType(context, place);
    await reload(page);
    await killServer(page, child.pid);
    await viewer(context, page);
    await evilPage(context, base);
    await strangers(browser, place);
    page.session = new URLSearchParams(new URL(page.page.url()).hash.slice(1)).get('s');
    if (process.env.SCREENSHOTS) await screenshots(browser, place, page);
    if (failed > 0) console.log(`--- the server's last words ---\n${errors()}`);
  } finally {
    await browser.close();
    await stopServer(child);
    await rm(home, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
