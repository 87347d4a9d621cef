/** The login form: it has the fields that the server asks for. The server's answers are put in its mouth here. */

import { check, expect, Page, PATIENCE } from './harness.mjs';

async function openForm(context, base, methods, posted) {
  const page = new Page(await context.newPage());
  await page.page.route('**/api/login', (route) => {
    const request = route.request();
    if (request.method() === 'GET') return route.fulfill({ json: { auth: true, methods } });
    posted.push(request.postDataJSON());
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

export async function loginForm(browser, { base }) {
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
