/** The login form: it has the fields that the server asks for. The server's answers are put in its mouth here. */

import { check, expect, Page, PATIENCE } from './harness.mjs';

async function openForm(context, base, methods, posted) {
  const page = new Page(await context.newPage());
  await page.page.route('**/api/login', (route) => {
    const request = route.request();
    if (request.method() === 'GET') return route.fulfill({ json: { auth: true, methods } });
    const { key, ...credential } = request.postDataJSON();
    // The page's own half of the secret goes with whatever was typed.
    posted.push(/^[\w-]{32}$/.test(key) ? credential : { key });
    return route.fulfill({
      status: 401,
      json: { title: 'Unauthorized', status: 401 },
    });
  });
  await page.page.goto(`${base}#test`);
  await page.page.waitForSelector('#login:not([hidden])', {
    timeout: PATIENCE,
  });
  return page.page;
}

const visible = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#login input')]
      .filter((input) => input.checkVisibility())
      .map((input) => (input.type === 'radio' ? `(${input.value})` : input.name))
      .join(' '),
  );

/** The real server, its own answers: in by the code, out by the button. */
async function signOut(browser, { base, code }) {
  const context = await browser.newContext();
  await check('signing out ends the cookie, and the form is back', async () => {
    const page = await Page.open(context, `${base}#code=${code}&test`);
    await page.state('connected');
    const known = await page.page.evaluate(async () => (await fetch('api/login')).ok);
    if (!known) return 'this server has no logout';
    await page.page.click('[data-part=menu]');
    await page.page.click('#drawer [data-part=logout]');
    await page.page.waitForSelector('#login:not([hidden])', { timeout: PATIENCE });
    const status = await page.page.evaluate(async () => {
      const headers = { 'anywire-key': localStorage.getItem('anywire.key') };
      return (await fetch('api/sessions', { headers })).status;
    });
    expect(status === 401, `still in: ${status}`);
    return undefined;
  });
  await context.close();
}

export async function loginForm(browser, place) {
  await signOut(browser, place);
  const { base } = place;
  const context = await browser.newContext();
  await check('a server with passwords is asked for with name and password', async () => {
    const posted = [];
    const page = await openForm(context, base, ['password'], posted);
    expect((await visible(page)) === 'user password', await visible(page));
    await page.keyboard.type('ada');
    await page.fill('#password', 'lace');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#login [role=alert]:not(:empty)', {
      timeout: PATIENCE,
    });
    expect(JSON.stringify(posted) === '[{"user":"ada","password":"lace"}]', JSON.stringify(posted));
    await page.close();
  });
  await check('with several methods one chooses, and only the chosen one is sent', async () => {
    const posted = [];
    const page = await openForm(context, base, ['code', 'password', 'token'], posted);
    expect((await visible(page)) === '(password) (token) (code) user password', await visible(page));
    await page.check('#login [value=token]');
    expect((await visible(page)) === '(password) (token) (code) token', await visible(page));
    await page.fill('#token', 'awt_1');
    await page.click('#login [type=submit]');
    await page.waitForSelector('#login [role=alert]:not(:empty)', {
      timeout: PATIENCE,
    });
    expect(JSON.stringify(posted) === '[{"token":"awt_1"}]', JSON.stringify(posted));
    await page.close();
  });
  await context.close();
}
