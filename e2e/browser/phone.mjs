/** The page on a phone: keys that its keyboard lacks, and room for what one does. */

import { check, expect, Page, PATIENCE, until } from './harness.mjs';

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
