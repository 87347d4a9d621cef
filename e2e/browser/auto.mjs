/** The page on a port for everything: a browser opens connections before it has anything to say on them. */

import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, hastyBrowser, Page, PATIENCE, startAnywire, stopServer, until } from './harness.mjs';

export async function auto() {
  const home = await mkdtemp(join(tmpdir(), 'anywire-browser-auto-'));
  const listen = ['-l', 'auto://127.0.0.1:0?session=main', '--no-auth', '--log', 'info'];
  const { child, address, errors } = await startAnywire(home, listen, /auto:\/\/(127\.0\.0\.1:\d+)/);
  // A page of somebody else's that has the browser connect, and say nothing.
  const origin = `http://${address}`;
  const hint = http.createServer((_, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><title>elsewhere</title><link rel="preconnect" href="${origin}">`);
  });
  await new Promise((done) => hint.listen(0, '127.0.0.1', done));
  const context = await hastyBrowser(join(home, 'profile'));
  try {
    await check(
      'auto: a browser that connects and says nothing is left in peace, and then served',
      async () => {
        const connections = () => errors().split('connected').length - 1;
        const { page } = await Page.open(context, `http://127.0.0.1:${hint.address().port}/`);
        const silent = await until(connections, 'a silent connection');
        await page.goto(`${origin}/#test`);
        await page.waitForSelector('#status[data-state=connected]', { timeout: PATIENCE });
        await page.close();
        return `${silent} before a word was said`;
      },
    );
    await check('auto: the same session is a terminal for who types at the same port', async () => {
      const page = await Page.open(context, `${origin}/#test`);
      await page.state('connected');
      const [host, port] = address.split(':');
      const raw = connect(Number(port), host);
      let got = '';
      raw.on('data', (bytes) => (got += bytes));
      raw.write('echo "by"" hand"\n');
      await page.see(/^by hand$/);
      await until(() => got.includes('by hand'), 'the same output');
      raw.destroy();
    });
  } finally {
    await context.close();
    await new Promise((done) => hint.close(done));
    await stopServer(child);
    await rm(home, { recursive: true, force: true });
  }
}
