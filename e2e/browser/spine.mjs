/** The spine in a browser: open, type, resize, edit, reload, lose the server, watch; and what strangers may not. */

import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { check, expect, Page, PATIENCE, serverPid, until } from './harness.mjs';

export async function openAndType(context, { base, code, home }) {
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

export async function reload(page) {
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

/** An editor: what was drawn key by key is after a reload drawn from a picture, by another terminal. */
export async function reloadEditor(page, home) {
  await check('reload comes back to the same cells of vim, colours and cursor included', async () => {
    await writeFile(
      join(home, 'poem.c'),
      '#include <stdio.h>\n\n/* äöü → 語 */\nint main(void) {\n\treturn 0;\n}\n',
    );
    await page.run('vim -u NONE -N -n poem.c');
    await page.type(":syntax on | set nu cul hls noru nosc | vsplit\n/return\n:echo 'rea'.'dy'\n");
    await page.see(/^ready *$/);
    const cells = () => page.cells();
    const before = await until(async () => {
      const now = await cells();
      // The cursor goes back to the text last.
      return now.cursor[1] === 4 && now;
    }, 'a drawn editor');
    expect(new Set(before.cells.map((cell) => cell.split(' ')[1])).size > 4, 'there are no colours');
    await page.page.reload();
    await page.state('connected');
    await page.see(/^ready *$/);
    await until(async () => JSON.stringify(await cells()) === JSON.stringify(before), 'the same cells');
    await page.type(':qa\n');
    await page.page.waitForFunction(
      () => globalThis.anywire.terminal.buffer.active.type === 'normal',
      undefined,
      {
        timeout: PATIENCE,
      },
    );
    return `${before.cells.length} cells`;
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

export async function killServer(page, supervisor) {
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

export async function viewer(context, page) {
  const id = page.session;
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
        const socket = new WebSocket(url, [
          'anywire.v1',
          `anywire.key.${localStorage.getItem('anywire.key')}`,
        ]);
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

export async function evilPage(context, base) {
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

/** What the server says to a program with these headers; a WebSocket's handshake if `path` is its address. */
function ask(base, method, path, headers) {
  const socket = path === 'ws' && {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  return new Promise((done, fail) => {
    const request = http.request(base + path, { method, headers: { ...headers, ...socket }, agent: false });
    request.on('response', (response) => done(response.resume().statusCode));
    request.on('upgrade', (response, connection) => done(connection.destroy() && response.statusCode));
    request.on('error', fail);
    request.end();
  });
}

/** A browser sends cookies to every port of a host: also to another user's server on the same machine. */
export async function cookieThief(context, base) {
  const seen = [];
  const thief = http.createServer((request, response) => {
    seen.push(request.headers.cookie ?? '');
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>free games</title>');
  });
  await new Promise((done) => thief.listen(0, '127.0.0.1', done));
  await check('a cookie that a server at another port has seen is worth nothing there', async () => {
    const page = await Page.open(context, `${base}#test`);
    await page.state('connected');
    const key = await page.page.evaluate(() => localStorage.getItem('anywire.key'));
    await page.page.goto(`http://127.0.0.1:${thief.address().port}/`);
    const found = await page.page.evaluate(() => localStorage.length);
    await page.page.close();
    const cookie = seen.find((value) => value.includes('anywire'));
    expect(cookie, 'the browser has kept the cookie to itself: this check shows nothing');
    expect(found === 0, 'the key is there, too');
    const stolen = { cookie, origin: base.replace(/\/$/, '') };
    const ways = [
      ['GET', 'api/sessions'],
      ['POST', 'api/sessions'],
      ['POST', 'api/tickets'],
      ['GET', 'ws'],
    ];
    const answers = async (headers) => {
      const all = ways.map(([method, path]) => ask(base, method, path, headers));
      return (await Promise.all(all)).join(' ');
    };
    const without = await answers(stolen);
    expect(without === '401 401 401 401', without);
    const guessed = await answers({ ...stolen, 'anywire-key': 'a'.repeat(32) });
    expect(guessed === '401 401 401 401', guessed);
    // The page itself has both.
    const both = await answers({ ...stolen, 'anywire-key': key });
    expect(both === '200 201 200 101', both);
  });
  await new Promise((done) => thief.close(done));
}

export async function strangers(browser, { base, code }) {
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
    const input = await page.page.waitForSelector('#login:not([hidden]) #code', { timeout: PATIENCE });
    const loose = ` ${code.slice(0, 5).toLowerCase()}-${code.slice(5).toLowerCase()} `;
    await input.fill(loose);
    // After the wrong code above the server may ask for patience.
    await until(async () => {
      await page.page.click('#login [type=submit]:not(:disabled)', { timeout: 500 }).catch(() => {});
      return (await page.page.getAttribute('#status', 'data-state')) === 'connected';
    }, 'a login');
    await page.page.close();
  });
  await check('exit shows its code and offers a new session', async () => {
    const page = await Page.open(context, `${base}#test`);
    await page.state('connected');
    const first = await until(() => page.session, 'an id');
    await page.run('exit 3');
    await page.state('ended');
    const text = await page.page.textContent('[data-part=state]');
    expect(/\b3\b/.test(text), text);
    await page.page.click('[data-part=new]');
    await page.state('connected');
    await until(() => page.session && page.session !== first, 'another session');
    await page.page.close();
  });
  await context.close();
}
