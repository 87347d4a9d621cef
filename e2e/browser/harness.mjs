/** What checks of the page need: the real binary in a home of its own, Chromium, and a page with eyes and hands. */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const { chromium } = createRequire(join(here, '../../web/package.json'))('playwright-core');

const BIN = process.env.ANYWIRE_BIN;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** How long a condition may take before the check counts as failed, in milliseconds. */
export const PATIENCE = Number(process.env.PATIENCE ?? 30_000);
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const tally = { passed: 0, failed: 0 };

export async function check(name, run) {
  try {
    const note = await Promise.race([run(), tooLong()]);
    tally.passed += 1;
    console.log(`ok    ${name}${note ? ` (${note})` : ''}`);
  } catch (error) {
    tally.failed += 1;
    console.log(`FAIL  ${name}: ${String(error.message ?? error).split('\n')[0]}`);
  }
}

/** Whatever a check waits for, it does not wait for ever. */
function tooLong() {
  return new Promise((_, fail) => {
    setTimeout(() => fail(new Error('took too long')), 4 * PATIENCE).unref();
  });
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** A server in a home of its own; `address` is what it printed that matches. */
export async function startAnywire(home, flags, pattern) {
  const child = spawn(resolve(BIN), ['serve', ...flags], {
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
  const address = await new Promise((found, lost) => {
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const match = pattern.exec(text);
      if (match) found(match[1]);
    });
    child.on('error', lost);
    child.on('exit', (code) => lost(new Error(`the server ended with ${code}: ${errors}`)));
  });
  return { child, address, errors: () => errors };
}

export async function stopServer(child) {
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
export async function serverPid(supervisor) {
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
export class Page {
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

  /** Id of the session in the address. */
  get session() {
    return new URLSearchParams(new URL(this.page.url()).hash.slice(1)).get('s');
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

  /** Every cell of the screen: its text, colours and attributes; the cursor; which screen it is. */
  cells() {
    return this.page.evaluate(() => {
      const { buffer, rows, cols } = globalThis.anywire.terminal;
      const { active } = buffer;
      const cells = [];
      for (let y = 0; y < rows; y += 1) {
        const line = active.getLine(active.baseY + y);
        for (let x = 0; x < cols; x += 1) {
          const cell = line.getCell(x);
          const colours = [
            cell.getFgColorMode(),
            cell.getFgColor(),
            cell.getBgColorMode(),
            cell.getBgColor(),
          ];
          const flags = [cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isInverse()];
          // What was never written and a blank look the same.
          cells.push(
            `${cell.getChars().trim()} ${colours.join(',')} ${flags.map(Number).join('')}${cell.getWidth()}`,
          );
        }
      }
      return { cells, cursor: [active.cursorX, active.cursorY], type: active.type };
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

export async function until(condition, what) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** A browser that connects ahead as people's do; it does so with a profile of its own only, which lies in this folder. */
export function hastyBrowser(folder) {
  const quiet = '--disable-background-networking';
  return chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    ignoreDefaultArgs: [quiet],
    args: FLAGS.filter((flag) => flag !== quiet),
  });
}

/** Runs checks with a server of their own and a browser, and leaves nothing behind. */
export async function withServer(run) {
  expect(BIN, 'Set ANYWIRE_BIN to the path of the anywire binary.');
  const home = await mkdtemp(join(tmpdir(), 'anywire-browser-'));
  const printed = /(http:\/\/127\.0\.0\.1:\d+\/#code=[A-Za-z0-9]+)/;
  const { child, address: url, errors } = await startAnywire(home, ['-l', 'http://127.0.0.1:0'], printed);
  const place = {
    base: url.split('#')[0],
    code: url.split('code=')[1],
    home,
    supervisor: child.pid,
  };
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: FLAGS,
  });
  try {
    await run(browser, place);
    if (tally.failed > 0) console.log(`--- the server's last words ---\n${errors()}`);
  } finally {
    await browser.close();
    await stopServer(child);
    await rm(home, { recursive: true, force: true });
  }
}
