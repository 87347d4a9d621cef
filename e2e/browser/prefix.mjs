/** The page behind a proxy that gives it a folder of its own and strips that from the address. */

import http from 'node:http';
import { connect } from 'node:net';
import { check, expect, Page, until } from './harness.mjs';

const PREFIX = '/tools/wire';

/** A reverse proxy as people set it up: another port, a prefix, Host and Origin of the server behind. */
async function startProxy(base) {
  const { host, hostname, port } = new URL(base);
  const seen = [];
  const forward = ({ method, url, headers }) => {
    seen.push(url);
    const changed = { ...headers, host };
    if (headers.origin) changed.origin = `http://${host}`;
    return {
      hostname,
      port,
      method,
      path: url.slice(PREFIX.length) || '/',
      headers: changed,
    };
  };
  const proxy = http.createServer((request, response) => {
    if (!request.url.startsWith(`${PREFIX}/`)) {
      seen.push(request.url);
      return response.writeHead(404).end();
    }
    const onward = http.request(forward(request), (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  proxy.on('upgrade', (request, socket, head) => {
    const { path, headers } = forward(request);
    const onward = connect(Number(port), hostname, () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      onward.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  return {
    proxy,
    seen,
    address: `http://127.0.0.1:${proxy.address().port}${PREFIX}/`,
  };
}

export async function prefix(browser, { base, code }) {
  const { proxy, seen, address } = await startProxy(base);
  const context = await browser.newContext({
    viewport: { width: 1100, height: 480 },
  });
  await check('the page works under a base path: login, terminal, list, new session', async () => {
    const page = await Page.open(context, `${address}#code=${code}&test`);
    await page.state('connected');
    await page.run('echo "below"" a path"');
    await page.see(/^below a path$/);
    const first = page.session;
    await page.page.click('[data-part=menu]');
    await page.page.click('#drawer [data-part=create]');
    await until(() => page.session !== first && page.session, 'another session');
    await page.state('connected');
    await page.page.waitForSelector('#drawer li + li');
    expect(page.page.url().startsWith(address), page.page.url());
    const strays = seen.filter((url) => !url.startsWith(`${PREFIX}/`) && url !== '/favicon.ico');
    expect(strays.length === 0, `it asked for ${strays[0]}`);
    expect(page.complaints.length === 0, page.complaints[0]);
  });
  await context.close();
  proxy.closeAllConnections();
  await new Promise((done) => proxy.close(done));
}
