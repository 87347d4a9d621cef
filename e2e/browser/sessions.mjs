/** The list of sessions: see, switch, begin, rename, end. */

import { check, expect, Page, PATIENCE, until } from './harness.mjs';

const row = (id) => `#drawer li:has([data-id="${id}"])`;

/** Names and descriptions as the list shows them. */
function rows(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll('#drawer li')].map((row) => ({
      id: row.querySelector('[data-part=open]').dataset.id,
      name: row.querySelector('[data-part=name]').textContent,
      about: row.querySelector('[data-part=about]').textContent,
      current: row.querySelector('[aria-current]') !== null,
    })),
  );
}

const listed = (page, id) =>
  until(async () => (await rows(page)).find((row) => row.id === id), 'a row of the session');

/** Answers the dialog. */
async function answer(page, text) {
  await page.waitForSelector('#ask[open]', { timeout: PATIENCE });
  if (text !== undefined) await page.fill('#ask input', text);
  await page.click('#ask [data-part=yes]');
}

export async function sessions(browser, { base, code }) {
  const context = await browser.newContext({
    viewport: { width: 1100, height: 560 },
  });
  const page = await Page.open(context, `${base}#code=${code}&test`);
  await page.state('connected');
  const first = await until(() => page.session, 'an id');
  let second;

  await check('the list opens by a key and shows this session', async () => {
    await page.run('echo "in the"" first"');
    await page.see(/^in the first$/);
    await page.page.keyboard.press('Control+Shift+L');
    const { current, about } = await listed(page.page, first);
    expect(current, 'it is not marked as the current one');
    expect(/1 attached/.test(about), about);
  });
  await check('a new session joins the list and is shown', async () => {
    await page.page.click('#drawer [data-part=create]');
    second = await until(() => page.session !== first && page.session, 'another id');
    await page.state('connected');
    await page.run('echo "in the"" second"');
    await page.see(/^in the second$/);
    expect(!(await page.lines()).includes('in the first'), 'the other session is still on the screen');
    await until(async () => (await listed(page.page, second)).current, 'the mark of the current one');
    await listed(page.page, first);
  });
  await check('a click switches, the back button returns', async () => {
    await page.page.click(`${row(first)} [data-part=open]`);
    await page.see(/^in the first$/);
    expect(page.session === first, page.session);
    expect(!(await page.lines()).includes('in the second'), 'the other session is still on the screen');
    await page.page.goBack();
    await page.see(/^in the second$/);
    await page.state('connected');
    expect(page.session === second, page.session);
  });
  await check('arrow keys and Enter switch as well, Escape closes', async () => {
    await page.page.focus(`${row(second)} [data-part=open]`);
    const order = (await rows(page.page)).map(({ id }) => id);
    await page.page.keyboard.press(order.indexOf(first) > order.indexOf(second) ? 'ArrowDown' : 'ArrowUp');
    const at = await page.page.evaluate(() => document.activeElement.dataset.id);
    expect(order.length === 2 ? at === first : at !== second, at);
    await page.page.focus(`${row(first)} [data-part=open]`);
    await page.page.keyboard.press('Enter');
    await page.see(/^in the first$/);
    await page.page.focus('#drawer [data-part=create]');
    await page.page.keyboard.press('Escape');
    expect(await page.page.isHidden('#drawer'), 'the list is still open');
    await page.run('echo "typed"" again"');
    await page.see(/^typed again$/);
  });
  await check('the list is asked for only while it is open', async () => {
    let asked = 0;
    const count = (request) => (asked += /api\/sessions$/.test(request.url()) ? 1 : 0);
    page.page.on('request', count);
    await page.page.click('[data-part=menu]');
    // The second request comes by itself.
    await until(() => asked >= 2, 'a refresh');
    await page.page.click('[data-part=menu]');
    const before = asked;
    await page.page.clock.install();
    await page.page.clock.runFor(60_000);
    page.page.off('request', count);
    expect(asked <= before + 1, `${asked - before} requests while closed`);
  });
  await page.page.close();
  await manage(context, base, { first, second });
  await context.close();
}

async function manage(context, base, { first, second }) {
  const page = await Page.open(context, `${base}#s=${first}&test`);
  await page.state('connected');
  await page.page.click('[data-part=menu]');
  const renames = await page.page.evaluate(
    async (id) => (await fetch(`api/sessions/${id}`, { method: 'PATCH' })).status !== 405,
    first,
  );
  await check('a session is renamed', async () => {
    await listed(page.page, second);
    await page.page.hover(row(second));
    await page.page.click(`${row(second)} [data-part=rename]`);
    await answer(page.page, 'night-build');
    if (!renames) {
      await page.page.waitForSelector('#drawer [role=alert]:not(:empty)', {
        timeout: PATIENCE,
      });
      return 'this server cannot, and the page says so';
    }
    await until(async () => (await listed(page.page, second)).name === 'night-build', 'the new name');
    await page.page.click(`${row(first)} [data-part=rename]`);
    await answer(page.page, 'day-build');
    await until(
      async () => (await page.page.textContent('[data-part=session]')) === 'day-build',
      'the new name of the session on the page',
    );
  });
  await check('a session is ended after a question, and only after yes', async () => {
    await page.page.hover(row(second));
    await page.page.click(`${row(second)} [data-part=kill]`);
    await page.page.waitForSelector('#ask[open]', { timeout: PATIENCE });
    await page.page.click('#ask [data-part=no]');
    expect(!/ended/.test((await listed(page.page, second)).about), 'it ended without a yes');
    await page.page.hover(row(second));
    await page.page.click(`${row(second)} [data-part=kill]`);
    await answer(page.page);
    await until(async () => {
      const found = (await rows(page.page)).find(({ id }) => id === second);
      return !found || /ended/.test(found.about);
    }, 'its end');
  });
  await check('services are offered, and the chosen one is asked for', async () => {
    const posted = [];
    const services = [
      { name: 'shell', io: 'pty', default: true },
      { name: 'python', io: 'pty', default: false },
    ];
    await page.page.route('**/api/services', (route) => route.fulfill({ json: services }));
    await page.page.route('**/api/sessions', (route) => {
      if (route.request().method() === 'GET') return route.continue();
      posted.push(route.request().postDataJSON());
      return route.fulfill({ status: 429, json: { title: 'Too many', detail: 'no more sessions' } });
    });
    await page.page.click('[data-part=menu]');
    await page.page.click('[data-part=menu]');
    await page.page.waitForSelector('#drawer select[name=service]:not([hidden])', { timeout: PATIENCE });
    expect((await page.page.inputValue('#drawer select[name=service]')) === 'shell', 'not the default');
    await page.page.selectOption('#drawer select[name=service]', 'python');
    await page.page.click('#drawer [data-part=create]');
    await until(
      async () => /no more sessions/.test(await page.page.textContent('[data-part=notice]')),
      'the refusal',
    );
    const { service, cols, rows } = posted[0];
    expect(service === 'python' && `${rows} ${cols}` === (await page.size()), JSON.stringify(posted));
    expect(page.session === first, 'it went elsewhere');
    await page.page.unroute('**/api/services');
    await page.page.unroute('**/api/sessions');
  });
  await check('"view only" takes the keyboard away and gives it back', async () => {
    await page.page.check('#drawer input[name=view]');
    await page.page.waitForSelector('[data-part=view]:not([hidden])', {
      timeout: PATIENCE,
    });
    await page.state('connected');
    expect(new URL(page.page.url()).hash.includes('view'), page.page.url());
    await page.type('echo intruder\n');
    await page.page.uncheck('#drawer input[name=view]');
    await page.page.waitForSelector('[data-part=view]', {
      state: 'hidden',
      timeout: PATIENCE,
    });
    await page.state('connected');
    await page.run('echo "my turn"" again"');
    await page.see(/^my turn again$/);
    expect(!(await page.lines()).some((line) => line.includes('intruder')), 'it was typed');
  });
  await check('the strict policy was not in the way of the list', async () => {
    expect(page.complaints.length === 0, page.complaints[0]);
  });
  await page.page.close();
  await check('who may only watch is not offered what he may not do', async () => {
    const guest = new Page(await context.newPage());
    await guest.page.route('**/api/me', (route) =>
      route.fulfill({ json: { name: 'guest', role: 'viewer' } }),
    );
    await guest.page.goto(`${base}#s=${first}&test`);
    await guest.state('connected');
    await guest.page.click('[data-part=menu]');
    await listed(guest.page, first);
    await guest.page.waitForSelector('#drawer [data-part=start]', { state: 'hidden', timeout: PATIENCE });
    expect(await guest.page.isHidden(`${row(first)} [data-part=kill]`), 'it may end sessions');
    expect(await guest.page.isHidden(`${row(first)} [data-part=rename]`), 'it may rename sessions');
    await guest.page.close();
  });
}
