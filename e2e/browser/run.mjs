/**
 * Drives the page in a real browser against the real binary.
 *
 *     ANYWIRE_BIN=target/debug/anywire node e2e/browser/run.mjs [spine|sessions|tools|phone|prefix|login|auto|xwterm]...
 *
 * Needs Chromium (Debian: `apt-get install chromium`; another path in CHROMIUM) and, once, `npm ci` in web/.
 * Prints one line per check; exit code 0 when all passed. `screenshots.mjs` renews the pictures in docs/.
 */

import { auto } from './auto.mjs';
import { tally, withServer } from './harness.mjs';
import { loginForm } from './login.mjs';
import { phone } from './phone.mjs';
import { prefix } from './prefix.mjs';
import { sessions } from './sessions.mjs';
import {
  cookieThief,
  evilPage,
  killServer,
  openAndType,
  reload,
  reloadEditor,
  strangers,
  viewer,
} from './spine.mjs';
import { tools } from './tools.mjs';
import { xwterm } from './xwterm.mjs';

async function spine(browser, place) {
  const context = await browser.newContext({
    viewport: { width: 900, height: 480 },
  });
  const page = await openAndType(context, place);
  await reload(page);
  await reloadEditor(page, place.home);
  await killServer(page, place.supervisor);
  await viewer(context, page);
  await evilPage(context, place.base);
  await cookieThief(context, place.base);
  await strangers(browser, place);
  await context.close();
}

const PARTS = { spine, sessions, tools, phone, prefix, login: loginForm, auto, xwterm };
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);

await withServer(async (browser, place) => {
  for (const name of chosen) {
    if (!(name in PARTS)) throw new Error(`there is no part ${name}, only ${Object.keys(PARTS).join(', ')}`);
    await PARTS[name](browser, place);
  }
});
console.log(`browser: ${tally.passed} passed, ${tally.failed} failed`);
process.exitCode = tally.failed === 0 ? 0 : 1;
