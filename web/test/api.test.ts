import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiError,
  createSession,
  killSession,
  listSessions,
  loginMethods,
  renameSession,
} from '../src/api.js';

interface Sent {
  method: string;
  url: string;
  body: unknown;
}

/** Answers every request with this, and says what was asked. */
function answering(status: number, body?: unknown): Sent[] {
  const sent: Sent[] = [];
  globalThis.fetch = (url, options) => {
    sent.push({
      method: options?.method ?? 'GET',
      url: String(url),
      body: typeof options?.body === 'string' ? JSON.parse(options.body) : undefined,
    });
    if (status === 0) return Promise.reject(new TypeError('network'));
    const text = body === undefined ? null : JSON.stringify(body);
    return Promise.resolve(new Response(status === 204 ? null : text, { status }));
  };
  return sent;
}

test('addresses are relative to the page and names in them are escaped', async () => {
  const sent = answering(204);
  await renameSession('a/../b', 'new');
  await killSession('x?y#z');
  assert.deepEqual(sent, [
    { method: 'PATCH', url: 'api/sessions/a%2F..%2Fb', body: { name: 'new' } },
    { method: 'DELETE', url: 'api/sessions/x%3Fy%23z', body: undefined },
  ]);
});

test('a session is made with the window’s size', async () => {
  const sent = answering(201, { id: 'abc', name: 'shell-1' });
  assert.equal(await createSession(undefined, { cols: 80, rows: 24 }), 'abc');
  assert.equal(await createSession('py', undefined), 'abc');
  assert.deepEqual(
    sent.map(({ body }) => body),
    [{ cols: 80, rows: 24 }, { service: 'py' }],
  );
});

test('errors carry what the server says, made plain', async () => {
  answering(409, { title: 'Conflict', status: 409, detail: 'the name\u001b is taken' });
  await assert.rejects(renameSession('a', 'b'), (error) => {
    assert(error instanceof ApiError);
    assert.deepEqual([error.status, error.message, error.unknown], [409, 'the name is taken', false]);
    return true;
  });
  for (const [status, unknown] of [
    [404, true],
    [405, true],
    [500, false],
    [0, false],
  ] as const) {
    answering(status);
    await assert.rejects(listSessions(), (error) => error instanceof ApiError && error.unknown === unknown);
  }
});

test('a server that does not say how to log in wants a code', async () => {
  for (const [status, body, methods, auth] of [
    [404, undefined, ['code'], true],
    [401, { title: 'Unauthorized' }, ['code'], true],
    [200, { auth: true, methods: ['password', 7] }, ['password'], true],
    [200, { auth: false, methods: [] }, ['code'], false],
  ] as const) {
    answering(status, body);
    assert.deepEqual(await loginMethods(), { auth, methods });
  }
});
