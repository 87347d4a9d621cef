/** What one does with the output: search, copy, links, colours; and what the output may not do. */

import http from 'node:http';
import { check, expect, Page, PATIENCE, until } from './harness.mjs';

export async function tools(browser, place) {
  const context = await browser.newContext({
    viewport: { width: 900, height: 480 },
    colorScheme: 'light',
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await Page.open(context, `${place.base}#code=${place.code}&test`);
  await page.state('connected');
  await search(page);
  await copy(page);
  await links(context, page);
  await colours(page);
  await untrusted(page);
  await broken(page);
  await check('the strict policy was not in the way of all this', async () => {
    expect(page.complaints.length === 0, page.complaints[0]);
  });
  await context.close();
  await copyWithoutApi(browser, place);
}

const text = (page, selector) => page.page.textContent(selector);
const selection = (page) => page.page.evaluate(() => globalThis.anywire.terminal.getSelection());
const notice = (page, pattern) =>
  until(async () => pattern.test(await text(page, '[data-part=notice]')), `the notice ${pattern}`);
const readClipboard = (page) => page.page.evaluate(() => navigator.clipboard.readText());

async function search(page) {
  await page.run('for n in $(seq 1 300); do echo "line $n"; done; echo "needle"" one"; echo "needle"" two"');
  await page.see(/^needle two$/);
  await check('search finds, counts and goes on to the older one', async () => {
    await page.page.keyboard.press('Control+Shift+F');
    await page.page.keyboard.type('needle ');
    await until(async () => (await text(page, '#find output')) === '2 of 2', 'the newest of two');
    await page.page.keyboard.press('Enter');
    await until(async () => (await text(page, '#find output')) === '1 of 2', 'the older of two');
    expect((await selection(page)) === 'needle ', await selection(page));
  });
  await check('search scrolls back to what has left the screen', async () => {
    await page.page.fill('#find input[type=search]', 'line 7');
    await page.page.keyboard.press('Shift+Enter');
    await until(async () => / of 11$/.test(await text(page, '#find output')), 'eleven matches');
    const moved = await page.page.evaluate(() => {
      const { viewportY, baseY } = globalThis.anywire.terminal.buffer.active;
      return viewportY < baseY;
    });
    expect(moved, 'the terminal has not scrolled');
  });
  await check('what is not there is said, Escape gives the keys back', async () => {
    await page.page.fill('#find input[type=search]', 'no such text');
    await until(async () => (await text(page, '#find output')) === 'nothing', 'nothing');
    await page.page.keyboard.press('Escape');
    expect(await page.page.isHidden('#find'), 'the search is still open');
    await page.page.keyboard.type('echo "after the"" search"\n');
    await page.see(/^after the search$/);
  });
}

async function copy(page) {
  await check('Ctrl-Shift-C copies the selection and is no Ctrl-C', async () => {
    await page.run('clear; echo "copy"" me"; cat');
    await page.see(/^copy me$/);
    await page.page.evaluate(() => globalThis.anywire.terminal.select(0, 0, 7));
    await page.page.keyboard.press('Control+Shift+C');
    await notice(page, /Copied the selection/);
    expect((await readClipboard(page)) === 'copy me', await readClipboard(page));
    await page.type('still alive\n');
    await page.see(/^still alive$/);
    await page.page.keyboard.press('Control+C');
  });
  await check('the button copies the screen when nothing is selected', async () => {
    await page.run('clear; echo "the whole"" screen"');
    await page.see(/^the whole screen$/);
    await page.page.evaluate(() => globalThis.anywire.terminal.clearSelection());
    await page.page.click('[data-part=copy]');
    await notice(page, /Copied the screen/);
    expect(/^the whole screen$/m.test(await readClipboard(page)), await readClipboard(page));
  });
}

async function copyWithoutApi(browser, { base, code }) {
  const context = await browser.newContext();
  await context.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  const page = await Page.open(context, `${base}#code=${code}&test`);
  await page.state('connected');
  await check('copying works without the clipboard API, as over plain http', async () => {
    await page.run('clear; echo "old"" way"');
    await page.see(/^old way$/);
    await page.page.evaluate(() => globalThis.anywire.terminal.select(0, 0, 7));
    await page.page.click('[data-part=copy]');
    await notice(page, /Copied the selection/);
    await page.page.click('[data-part=find]');
    await page.page.keyboard.press('Control+V');
    const pasted = await page.page.inputValue('#find input[type=search]');
    expect(pasted === 'old way', pasted);
  });
  await context.close();
}

/** Where the text is on the screen, in pixels. */
function placeOf(page, wanted) {
  return page.page.evaluate((wanted) => {
    const { buffer, rows, cols } = globalThis.anywire.terminal;
    const { active } = buffer;
    const box = document.querySelector('.xterm-screen').getBoundingClientRect();
    for (let y = 0; y < rows; y += 1) {
      const x = active
        .getLine(active.viewportY + y)
        .translateToString()
        .indexOf(wanted);
      if (x < 0) continue;
      const [width, height] = [box.width / cols, box.height / rows];
      return { x: box.x + (x + 3.5) * width, y: box.y + (y + 0.5) * height };
    }
    return null;
  }, wanted);
}

async function links(context, page) {
  const site = http.createServer((_, response) => response.end('a site'));
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  const address = `http://127.0.0.1:${site.address().port}/there`;
  const opened = [];
  context.on('page', (tab) => opened.push(tab));
  await page.run(
    `clear; echo "see ""${address} end"; printf '\\033]8;;${address}?osc8\\033\\\\label\\033]8;;\\033\\\\\\n'`,
  );
  await page.run(
    `printf '\\033]8;;javascript:alert(1)\\033\\\\"evil"\\033]8;;\\033\\\\\\n'; echo "links"" there"`,
  );
  await page.see(/^links there$/);
  const click = async (wanted, modifiers = []) => {
    const { x, y } = await until(() => placeOf(page, wanted), wanted);
    await page.page.mouse.move(x - 20, y + 40);
    await page.page.mouse.move(x, y, { steps: 3 });
    for (const key of modifiers) await page.page.keyboard.down(key);
    await page.page.mouse.click(x, y);
    for (const key of modifiers) await page.page.keyboard.up(key);
  };
  await check('hovering tells where a link leads', async () => {
    const { x, y } = await until(() => placeOf(page, `${address} end`), 'the link');
    await page.page.mouse.move(x, y, { steps: 3 });
    await notice(page, /Ctrl-click opens http:.*there/);
  });
  await check(
    'a plain click follows no link, Ctrl-click opens it in a tab that knows nothing of us',
    async () => {
      await click(`${address} end`);
      await click('label');
      await click(`${address} end`, ['Control']);
      await until(() => opened.length > 0, 'a new tab');
      await opened[0].waitForURL(address, { timeout: PATIENCE });
      expect(opened.length === 1, `${opened.length} tabs`);
      expect(await opened[0].evaluate(() => opener === null && document.referrer === ''), 'it has an opener');
      await opened[0].close();
      await page.page.bringToFront();
    },
  );
  await check('a labelled link leads where it says, a script nowhere', async () => {
    opened.length = 0;
    await click('"evil"', ['Control']);
    await click('label', ['Control']);
    await until(() => opened.length > 0, 'a new tab');
    await opened[0].waitForURL(`${address}?osc8`, { timeout: PATIENCE });
    expect(opened.length === 1, `${opened.length} tabs`);
    await opened[0].close();
    await page.page.bringToFront();
  });
  site.close();
}

async function colours(page) {
  const background = () =>
    page.page.evaluate(() => [
      getComputedStyle(document.body).backgroundColor,
      globalThis.anywire.terminal.options.theme.background,
    ]);
  const is = (wanted, what) => until(async () => `${await background()}` === `${wanted}`, what);
  const LIGHT = ['rgb(252, 252, 250)', '#fcfcfa'];
  const DARK = ['rgb(20, 23, 28)', '#14171c'];
  await check('colours follow the system, at once', async () => {
    await is(LIGHT, 'light');
    await page.page.emulateMedia({ colorScheme: 'dark' });
    await is(DARK, 'dark');
    await page.page.emulateMedia({ colorScheme: 'light' });
    await is(LIGHT, 'light again');
  });
  await check('colours follow the choice, over a reload', async () => {
    await page.page.click('[data-part=menu]');
    await page.page.selectOption('#drawer select[name=theme]', 'dark');
    await is(DARK, 'dark');
    await page.page.reload();
    await page.state('connected');
    await is(DARK, 'dark after the reload');
    await page.page.click('[data-part=menu]');
    await page.page.selectOption('#drawer select[name=theme]', 'auto');
    await is(LIGHT, 'the system again');
    await page.page.keyboard.press('Escape');
  });
}

async function untrusted(page) {
  await check('a hostile title is text: no markup, no control, a bounded length', async () => {
    await page.run(String.raw`printf '\033]2;<img src=x>\342\200\256%s\007' "$(printf 'y%.0s' $(seq 3000))"`);
    await until(async () => /<img src=x>y/.test(await text(page, '[data-part=title]')), 'the title');
    const { children, shown } = await page.page.evaluate(() => {
      const title = document.querySelector('[data-part=title]');
      return { children: title.childElementCount, shown: title.textContent };
    });
    expect(children === 0 && shown.length <= 200, `${children} elements, ${shown.length} characters`);
    expect(!/[\u202e\u001b]/.test(shown), 'a control character is left');
    await page.run(String.raw`printf '\033]2;\007'`);
  });
  await check('title and clipboard are never told to a program', async () => {
    await page.page.evaluate(() => navigator.clipboard.writeText('secret'));
    // The last question is answered; what was answered before it stands before it.
    await page.run(
      String.raw`clear; printf '\033[21t\033]52;c;?\007\033[c'; read -rsd c a; echo "answer <$(printf %q "$a")>"`,
    );
    await page.see(/^answer <.*>/);
    const answer = (await page.lines()).findLast((line) => line.startsWith('answer <'));
    expect(/^answer <\$'\\E\[\?[\d;]*'>$/.test(answer), answer);
  });
  await check('a program sets the clipboard only when somebody has allowed it', async () => {
    const set = (word) => page.run(`printf '\\033]52;c;%s\\007' $(printf ${word} | base64)`);
    await set('stolen');
    await notice(page, /wants to set the clipboard/);
    expect((await readClipboard(page)) === 'secret', await readClipboard(page));
    await page.page.click('[data-part=menu]');
    await page.page.check('#drawer input[name=clipboard]');
    await page.page.keyboard.press('Escape');
    await set('granted');
    await notice(page, /has set the clipboard: granted/);
    expect((await readClipboard(page)) === 'granted', await readClipboard(page));
  });
}

async function broken(page) {
  await check('output over which xterm.js stumbles costs a new picture, not the page', async () => {
    const { hellos } = page;
    const before = hellos.length;
    const pid = await page.output('echo $$');
    // The cursor behind the last column of the last row, then ESC[1J.
    await page.run(
      String.raw`clear; printf '\033[999;999Hx\033[1J'; printf '\033[H'; echo "here"" again"; echo "and"" on"`,
    );
    await page.see(/^and on$/);
    await until(() => hellos.length > before, 'a new hello');
    expect(!('since' in hellos[before]), 'it asked for bytes instead of a picture');
    expect((await page.output('echo $$')) === pid, 'another shell');
    return `${hellos.length - before} new picture`;
  });
}
