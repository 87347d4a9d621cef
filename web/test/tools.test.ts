import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeOsc52 } from '../src/clipboard.js';
import { keyCode, withCtrl } from '../src/keys.js';
import { linkHandler, safeAddress } from '../src/links.js';
import { credential, offered } from '../src/login.js';
import { readSettings, writeSettings, type Store } from '../src/settings.js';
import { commandOf } from '../src/shortcuts.js';

test('only plain http and https addresses are followed', () => {
  assert.equal(safeAddress('https://example.org/a?b#c'), 'https://example.org/a?b#c');
  assert.equal(safeAddress('HTTP://EXAMPLE.org'), 'http://example.org/');
  const refused = [
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'ssh://host',
    '//example.org',
    'relative/path',
    'https://',
    'https://trusted.example@evil.example/',
    'https://user:secret@evil.example/',
    `https://example.org/${'x'.repeat(3000)}`,
  ];
  for (const address of refused) assert.equal(safeAddress(address), undefined, address);
});

test('a plain click follows nothing; Ctrl, Command or a yes does', async () => {
  for (const [event, touch, yes, opens] of [
    [{}, false, true, 0],
    [{ ctrlKey: true }, false, false, 1],
    [{ metaKey: true }, false, false, 1],
    [{}, true, false, 0],
    [{}, true, true, 1],
  ] as const) {
    const opened: string[] = [];
    const world = {
      open: (address: string) => opened.push(address),
      touch: () => touch,
      ask: () => Promise.resolve(yes),
      modifier: 'Ctrl',
      tell: () => {},
    };
    const range = { start: { x: 1, y: 1 }, end: { x: 1, y: 1 } };
    linkHandler(world).activate(event as unknown as MouseEvent, 'https://example.org', range);
    linkHandler(world).activate({ ctrlKey: true } as MouseEvent, 'javascript:alert(1)', range);
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(opened.length, opens, JSON.stringify({ event, touch, yes }));
  }
});

test('OSC 52 sets text, and is never a question', () => {
  assert.equal(decodeOsc52('c;aGVsbG8='), 'hello');
  assert.equal(decodeOsc52(';w7bDpA=='), 'öä');
  for (const data of ['c;?', '?', 'c;', 'c', 'x;aGVsbG8=', 'c;a', 'c;/w==', 'c;aGVs bG8=', 'c;aGVsbG8=;x']) {
    assert.equal(decodeOsc52(data), undefined, data);
  }
  assert.equal(decodeOsc52(`c;${'QUFB'.repeat(500_000)}`), undefined);
});

test('the key bar sends what the keys send', () => {
  assert.equal(keyCode('Escape', false, false), '\x1b');
  assert.equal(keyCode('Tab', true, true), '\t');
  assert.equal(keyCode('ArrowUp', false, false), '\x1b[A');
  assert.equal(keyCode('ArrowUp', false, true), '\x1bOA');
  assert.equal(keyCode('ArrowLeft', true, true), '\x1b[1;5D');
  assert.equal(keyCode('F13', false, false), '');
});

test('Ctrl makes a control character of one letter and of nothing else', () => {
  assert.deepEqual(['c', 'C', '[', ' ', '?', '@', '_'].map(withCtrl), [
    '\x03',
    '\x03',
    '\x1b',
    '\0',
    '\x7f',
    '\0',
    '\x1f',
  ]);
  for (const text of ['5', 'ö', 'ab', '', '\r', '\x1b[A']) assert.equal(withCtrl(text), text);
});

test('the form offers what server and page know, and sends only what is complete', () => {
  assert.deepEqual(offered(['code', 'magic', 'token', 'password']), ['password', 'token', 'code']);
  assert.deepEqual(offered(['magic']), ['code']);
  const fields = (values: Record<string, string>) => (name: string) => values[name] ?? '';
  assert.deepEqual(credential('code', fields({ code: ' abc-de ', token: 'x' })), { code: 'ABCDE' });
  assert.deepEqual(credential('password', fields({ user: ' ada ', password: ' p ' })), {
    user: 'ada',
    password: ' p ',
  });
  assert.deepEqual(credential('token', fields({ token: ' t\n' })), { token: 't' });
  for (const method of ['code', 'password', 'token'])
    assert.equal(credential(method, fields({ user: 'ada' })), undefined);
});

test('preferences survive, nonsense and a missing store do not hurt', () => {
  const kept = new Map<string, string>();
  const store = (): Store => ({
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
  });
  assert.deepEqual(readSettings(store), { theme: 'auto', clipboard: false });
  writeSettings(store, { theme: 'dark', clipboard: true });
  assert.deepEqual(readSettings(store), { theme: 'dark', clipboard: true });
  for (const nonsense of ['{', 'null', '7', '{"theme":"pink","clipboard":"yes"}']) {
    kept.set('anywire', nonsense);
    assert.deepEqual(readSettings(store), { theme: 'auto', clipboard: false }, nonsense);
  }
  const none = (): Store => {
    throw new Error('storage is off');
  };
  assert.deepEqual(readSettings(none), { theme: 'auto', clipboard: false });
  writeSettings(none, { theme: 'dark', clipboard: true });
});

test('few keys are the page’s, all others the program’s', () => {
  const key = (code: string, ...held: string[]) => ({
    type: 'keydown',
    code,
    ctrlKey: held.includes('ctrl'),
    shiftKey: held.includes('shift'),
    altKey: held.includes('alt'),
    metaKey: held.includes('meta'),
  });
  assert.equal(commandOf(key('KeyF', 'ctrl', 'shift')), 'find');
  assert.equal(commandOf(key('KeyC', 'ctrl', 'shift')), 'copy');
  assert.equal(commandOf(key('KeyL', 'ctrl', 'shift')), 'sessions');
  assert.equal(commandOf(key('KeyF', 'meta')), 'find');
  for (const other of [
    key('KeyC', 'ctrl'),
    key('KeyF', 'ctrl'),
    key('KeyL', 'ctrl'),
    key('KeyF', 'ctrl', 'shift', 'alt'),
    key('KeyX', 'ctrl', 'shift'),
    key('KeyC', 'meta'),
    key('KeyF'),
  ]) {
    assert.equal(commandOf(other), undefined, JSON.stringify(other));
  }
});
