/** The page on a phone: keys that its keyboard lacks, and room for what one does. */

import { check, expect, Page, PATIENCE, until } from './harness.mjs';

/** One finger from one height to another. */
async function swipe(context, { page }, from, to) {
  const cdp = await context.newCDPSession(page);
  const touch = (type, y) =>
    cdp.send('Input.dispatchTouchEvent', { type, touchPoints: y === undefined ? [] : [{ x: 150, y }] });
  await touch('touchStart', from);
  for (let step = 1; step <= 10; step += 1) await touch('touchMove', from + ((to - from) * step) / 10);
  await touch('touchEnd');
  await cdp.detach();
}

export async function phone(browser, { base, code }) {
  const context = await browser.newContext({
    viewport: { width: 390, height: 780 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await Page.open(context, `${base}#code=${code}&test`);
  await page.state('connected');
  const tap = (key) => page.page.tap(`#keys [data-key=${key}]`);

  await check('a phone gets a bar of keys; nothing is wider than its screen', async () => {
    expect(await page.page.isVisible('#keys'), 'no bar');
    const wide = await page.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(!wide, 'the page is wider than the screen');
    const box = await page.page.locator('#status [data-part=copy]').boundingBox();
    expect(box.x + box.width <= 390, `the last button ends at ${box.x + box.width}`);
  });
  await check('the bar sends what the keys send', async () => {
    await page.run('clear; cat -vT');
    await until(async () => (await page.lines()).some((line) => line === ''), 'a clear screen');
    await page.page.focus('.xterm-helper-textarea');
    for (const key of ['Escape', 'ArrowUp', 'ArrowDown', 'ArrowRight', 'ArrowLeft', 'Tab']) await tap(key);
    await tap('Control');
    await tap('ArrowLeft');
    await page.type('.\n');
    await page.see(/^\^\[\^\[\[A\^\[\[B\^\[\[C\^\[\[D\^I\^\[\[1;5D\.$/);
  });
  await check('Ctrl sticks to the next key only, and the keyboard stays', async () => {
    await tap('Control');
    const pressed = () => page.page.getAttribute('#keys [data-key=Control]', 'aria-pressed');
    expect((await pressed()) === 'true', 'Ctrl is not shown as pressed');
    const focused = await page.page.evaluate(() =>
      document.activeElement.classList.contains('xterm-helper-textarea'),
    );
    expect(focused, 'the bar took the focus');
    await page.page.keyboard.type('c');
    expect((await pressed()) === 'false', 'Ctrl is still pressed');
    await page.page.keyboard.type('echo "back at"" the shell"\n');
    await page.see(/^back at the shell$/);
  });
  await check('arrows follow the mode of the program', async () => {
    await page.run(String.raw`clear; printf '\033[?1h'; cat -vT`);
    await page.page.waitForFunction(
      () => globalThis.anywire.terminal.modes.applicationCursorKeysMode,
      undefined,
      {
        timeout: PATIENCE,
      },
    );
    await tap('ArrowUp');
    await page.type('.\n');
    await page.see(/^\^\[OA\.$/);
    await page.page.keyboard.press('Control+C');
    await page.run(String.raw`printf '\033[?1l'`);
  });
  await check('a finger scrolls back, and turns the wheel for a program with the whole screen', async () => {
    await page.run('clear; seq -f "row %g" 200; echo "all"" rows"');
    await page.see(/^all rows$/);
    const place = () =>
      page.page.evaluate(() => {
        const { baseY, viewportY } = globalThis.anywire.terminal.buffer.active;
        return baseY - viewportY;
      });
    expect((await place()) === 0, 'it was not at the end');
    await swipe(context, page, 200, 500);
    await until(async () => (await place()) > 10, 'scrolling back');
    await swipe(context, page, 600, 200);
    await until(async () => (await place()) === 0, 'scrolling to the end');
    await page.run('seq -f "row %g" 300 | less');
    await page.see(/^:$/);
    await swipe(context, page, 500, 200);
    await page.see(/^row 6\d$/);
    await page.type('q');
    await page.run(String.raw`clear; printf '\033[?1000h\033[?1006h'; cat -vT`);
    await page.page.waitForFunction(() => globalThis.anywire.terminal.modes.mouseTrackingMode !== 'none');
    await swipe(context, page, 300, 400);
    await page.see(/\^\[\[<64;\d+;\d+M/);
    await page.page.keyboard.press('Control+C');
    await page.run(String.raw`printf '\033[?1000l\033[?1006l'`);
  });
  await check('Paste pastes, marked as such for a program that asks', async () => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.run(String.raw`clear; printf '\033[?2004h'; cat -vT`);
    await page.page.waitForFunction(() => globalThis.anywire.terminal.modes.bracketedPasteMode);
    await page.page.evaluate(() => navigator.clipboard.writeText('pasted'));
    await tap('Paste');
    await page.see(/\^\[\[200~pasted\^\[\[201~/);
    await page.page.keyboard.press('Control+C');
    await page.run(String.raw`printf '\033[?2004l'`);
  });
  await check('a tapped link asks before it opens', async () => {
    const opened = [];
    context.on('page', (tab) => opened.push(tab));
    await page.run('clear; echo http://127.0.0.1:9/"path"');
    await page.see(/^http:\/\/127\.0\.0\.1:9\/path$/);
    const box = await page.page.locator('.xterm-screen').boundingBox();
    await page.page.mouse.move(box.x + 60, box.y + 6, { steps: 3 });
    await page.page.mouse.click(box.x + 60, box.y + 6);
    await page.page.waitForSelector('#ask[open]', { timeout: PATIENCE });
    expect((await page.page.textContent('#ask p')) === 'http://127.0.0.1:9/path', 'the address is not shown');
    await page.page.click('#ask [data-part=no]');
    expect(opened.length === 0, 'it opened without a yes');
  });
  await check('the list lies over the terminal and goes when it has done its work', async () => {
    await page.page.tap('[data-part=menu]');
    await page.page.waitForSelector('#drawer li', { timeout: PATIENCE });
    const size = await page.size();
    await page.page.tap('#drawer li [data-part=open][aria-current]');
    expect(await page.page.isHidden('#drawer'), 'the list is still there');
    expect((await page.size()) === size, 'the terminal changed its size');
  });
  await context.close();
}
