/**
 * Renews docs/page.png and docs/page-phone.png.
 *
 *     ANYWIRE_BIN=target/debug/anywire node e2e/browser/screenshots.mjs [DIR]
 */

import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Page, until, withServer } from './harness.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const OUT = process.argv[2] ?? join(here, '../../docs');
const MAX_BYTES = 150_000;
/** What the editor in the pictures shows: nothing of the machine on which they are taken. */
const SHOWN = join(here, '../../crates/model/src/reason.rs');
const EDIT = 'vim -n -u NONE -c "syntax on" -c "set nu bg=dark title titlestring=reason.rs" reason.rs';

async function take(page, name) {
  const path = join(OUT, name);
  await page.page.screenshot({ path });
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new Error(`${name} has ${size} bytes, more than ${MAX_BYTES}`);
  console.log(`${name} ${size} bytes`);
}

async function titled(page, title) {
  await page.run(`printf '\\033]0;${title}\\007'; clear`);
  await until(async () => (await page.page.textContent('[data-part=title]')) === title, 'the title');
}

async function another(page) {
  const before = page.session;
  await page.page.click('#drawer [data-part=create]');
  await until(() => page.session !== before && page.session, 'a new session');
  await page.state('connected');
}

async function rename(page, name) {
  await page.page.click('#drawer li:has([aria-current]) [data-part=rename]');
  await page.page.fill('#ask input', name);
  await page.page.click('#ask [data-part=yes]');
  await page.page.waitForFunction(
    (name) =>
      [...document.querySelectorAll('#drawer [data-part=name], #drawer [role=alert]')].some(
        ({ textContent, role }) => textContent === name || (role === 'alert' && textContent !== ''),
      ),
    name,
  );
}

async function desktop(browser, { base, code }) {
  const context = await browser.newContext({ colorScheme: 'dark', viewport: { width: 1120, height: 600 } });
  const page = await Page.open(context, `${base}#code=${code}&test`);
  await page.state('connected');
  await page.page.click('[data-part=menu]');
  await page.page.waitForSelector('#drawer [aria-current]');
  await titled(page, 'npm run watch');
  await rename(page, 'watch');
  await another(page);
  await titled(page, 'nightly build');
  await rename(page, 'build');
  await another(page);
  await rename(page, 'editor');
  await page.run(EDIT);
  await page.see(/ExitReason/);
  await until(async () => (await page.page.textContent('[data-part=title]')) === 'reason.rs', 'the title');
  await take(page, 'page.png');
  await context.close();
}

async function phone(browser, { base, code }) {
  const context = await browser.newContext({
    colorScheme: 'light',
    viewport: { width: 390, height: 700 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await Page.open(context, `${base}#code=${code}&test`);
  await page.state('connected');
  await page.run(EDIT.replace('dark', 'light'));
  await page.see(/ExitReason/);
  await take(page, 'page-phone.png');
  await context.close();
}

await withServer(async (browser, place) => {
  await copyFile(SHOWN, join(place.home, 'reason.rs'));
  await desktop(browser, place);
  await phone(browser, place);
});
