/** `anywire xwterm` with a small page of our own that speaks its dialect both ways. */

import { spawn } from 'node:child_process';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import http from 'node:http';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, expect, PATIENCE, serverPid, until } from './harness.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

/** The page in a folder, where the preset finds it. */
async function placePage(home) {
  await mkdir(join(home, 'example'), { recursive: true });
  await copyFile(join(here, 'xwterm.html'), join(home, 'example/index.html'));
  await copyFile(join(here, 'xwterm-page.js'), join(home, 'example/xwterm-page.js'));
}

/** The preset in a folder; returns the two ports. */
async function startPreset(home) {
  await mkdir(home, { recursive: true });
  const child = spawn(resolve(process.env.ANYWIRE_BIN), ['xwterm', '-http', '0', '-ws', '0', '-no-welcome'], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      HOME: home,
      ANYWIRE_RUNTIME_DIR: join(home, 'run'),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout.on('data', (bytes) => (text += bytes));
  const port = (kind) =>
    new RegExp(`\\*\\*\\* ${kind} server ready - bind address=127\\.0\\.0\\.1:(\\d+)`).exec(text)?.[1];
  const ports = await until(() => {
    expect(child.exitCode === null, `the preset ended with ${child.exitCode}`);
    return port('HTTP') && port('Websocket') && { pages: port('HTTP'), sockets: port('Websocket') };
  }, 'the preset says its ports');
  return { child, ...ports };
}

async function see(page, id, pattern) {
  await page.waitForFunction(
    ([id, source]) => new RegExp(source).test(document.getElementById(id).textContent),
    [id, pattern.source],
    { timeout: PATIENCE, polling: 50 },
  );
}

async function conversation(page, home) {
  await check('xwterm: a terminal is polled over HTTP', async () => {
    await page.evaluate(() => globalThis.kit.polled.type('stty size; echo h""ttp \u20ac\r'));
    await see(page, 'http', /25 80/);
    await see(page, 'http', /http \u20ac/);
  });
  await check('xwterm: a terminal over a WebSocket on the other port', async () => {
    await until(
      () => page.evaluate(() => globalThis.kit.connected.state === 'connected'),
      'the socket opens',
    );
    await page.evaluate(() => globalThis.kit.connected.type('stty size; echo w""s \u20ac\r'));
    await see(page, 'websocket', /40 120/);
    await see(page, 'websocket', /ws \u20ac/);
  });
  await check('xwterm: a WebSocket on the port of the pages', async () => {
    await page.evaluate(
      () => (globalThis.same = new globalThis.kit.Connected(`ws://${location.host}`, '30x90')),
    );
    await until(() => page.evaluate(() => globalThis.same.state === 'connected'), 'the socket opens');
    await page.evaluate(() => globalThis.same.type('echo sa""me port\r'));
    await see(page, 'websocket', /same port/);
    await page.evaluate(() => globalThis.same.type('exit\r'));
    await until(() => page.evaluate(() => globalThis.same.state === 'disconnected'), 'the socket closes');
  });
  await check('xwterm: the list, a kill, and a fresh shell under the same id', async () => {
    const rows = await page.evaluate(() => globalThis.kit.sessions());
    const kinds = rows.map(({ sid, ty }) => (sid === 'browser' ? 'polled' : ty));
    expect(kinds.includes('polled') && kinds.includes(true), JSON.stringify(rows));
    await page.evaluate(() => globalThis.kit.polled.type('X=old; echo s""et\r'));
    await see(page, 'http', /set/);
    expect((await page.evaluate(() => globalThis.kit.kill('browser'))) === '{}', 'the answer to a kill');
    await page.evaluate(() => globalThis.kit.polled.type('echo =$X=\r'));
    await see(page, 'http', /==/);
    const { sid } = rows.find(({ ty }) => ty);
    await page.evaluate((sid) => globalThis.kit.kill(sid), sid);
    await until(
      () => page.evaluate(() => globalThis.kit.connected.state === 'disconnected'),
      'the socket closes',
    );
  });
  await check('xwterm: an upload', async () => {
    const status = await page.evaluate(() =>
      globalThis.kit.upload('from%20page', new Uint8Array(300_000).fill(7)),
    );
    expect(status === 200, `status ${status}`);
    const file = await readFile(join(home, 'example/uploads/from page'));
    expect(file.length === 300_000 && file.every((byte) => byte === 7), 'the file is as it was sent');
  });
}

/** What the pages notice of `kill -9` of the server. */
async function crash(page, child) {
  await check('xwterm: a polled terminal outlives its server, a WebSocket is told', async () => {
    await page.evaluate(() => globalThis.kit.polled.type('KEPT=kept; echo be""fore\r'));
    await see(page, 'http', /before/);
    await page.evaluate(
      () => (globalThis.cut = new globalThis.kit.Connected(`ws://${location.host}`, '30x90')),
    );
    await until(() => page.evaluate(() => globalThis.cut.state === 'connected'), 'the socket opens');
    process.kill(await serverPid(child.pid), 'SIGKILL');
    await until(() => page.evaluate(() => globalThis.cut.state === 'disconnected'), 'the socket closes');
    await page.evaluate(() => globalThis.kit.polled.type('echo =$KEPT=\r'));
    await see(page, 'http', /=kept=/);
  });
}

/** The small page that there is where no other is found. */
async function ownPage(browser, home) {
  const preset = await startPreset(home);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${preset.pages}/`);
    await check('xwterm: without pages there is a plain terminal', async () => {
      await page.keyboard.type('stty size; printf "\\033cdrawn\\033[1m anew\\n"');
      await page.keyboard.press('Enter');
      await see(page, 'screen', /^drawn anew\n/);
      const text = await page.evaluate(() => document.getElementById('screen').textContent);
      expect(!text.includes('24 80') && !text.includes('\x1b'), JSON.stringify(text));
    });
  } finally {
    await context.close();
    await stop(preset.child);
  }
}

async function stop(child) {
  const gone = new Promise((done) => child.on('exit', done));
  child.kill('SIGTERM');
  await gone;
}

/** A page of another port of this host, and one of another name. */
async function evil(context, { pages, sockets }) {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>evil</title>');
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const page = await context.newPage();
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await check('xwterm: a page of another origin gets no shell', async () => {
      for (const port of [pages, sockets]) {
        const opened = await page.evaluate(
          (port) =>
            new Promise((done) => {
              const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
              socket.onopen = () => done(true);
              socket.onerror = () => done(false);
            }),
          port,
        );
        expect(!opened, `a WebSocket to ${port}`);
      }
      await page.evaluate(
        (port) =>
          fetch(`http://127.0.0.1:${port}/?session=evil`, {
            method: 'POST',
            mode: 'no-cors',
            body: 'x\r',
          }).catch(() => {}),
        pages,
      );
      const rows = await (await fetch(`http://127.0.0.1:${pages}/?sessions`)).json();
      expect(!rows.some(({ sid }) => sid === 'evil'), 'a POST made a session');
    });
  } finally {
    await page.close();
    await new Promise((gone) => server.close(gone));
  }
}

export async function xwterm(browser, place) {
  const home = join(place.home, 'xwterm');
  await placePage(home);
  const preset = await startPreset(home);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`http://127.0.0.1:${preset.pages}/?id=browser&ws=${preset.sockets}`);
    await conversation(page, home);
    await crash(page, preset.child);
    await evil(context, preset);
    await check('xwterm: the page has nothing to complain about', () => {
      expect(complaints.length === 0, complaints.join('; '));
    });
  } finally {
    await context.close();
    await stop(preset.child);
  }
  await ownPage(browser, join(place.home, 'xwterm-bare'));
}
