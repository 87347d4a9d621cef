import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeServices, decodeSessions, describe, duration } from '../src/sessions.js';

const one = (more: object = {}): object => ({
  id: 'a'.repeat(32),
  name: 'shell-1',
  service: 'shell',
  io: 'pty',
  size: { cols: 80, rows: 24 },
  head: 10,
  age_ms: 61_000,
  pid: 7,
  attachments: 1,
  exit: null,
  ...more,
});

test('sessions are read: the living first, the youngest first', () => {
  const list = decodeSessions([
    one({ id: 'old' }),
    one({ id: 'gone', age_ms: 1, exit: { kind: 'code', code: 0 } }),
    one({ id: 'young', age_ms: 5 }),
  ]);
  assert.deepEqual(
    list.map(({ id, ended }) => [id, ended]),
    [
      ['young', false],
      ['old', false],
      ['gone', true],
    ],
  );
});

test('what is no session is left out, what is odd does no harm', () => {
  assert.deepEqual(decodeSessions({ error: 'x' }), []);
  assert.deepEqual(decodeSessions([null, 7, {}, { id: '' }, { id: 9 }]), []);
  const [odd] = decodeSessions([{ id: 'abcdefghij', name: 7, age_ms: -1, attachments: 'x' }]);
  assert.deepEqual(odd, {
    id: 'abcdefghij',
    name: 'abcdefgh',
    service: '',
    title: '',
    age: 0,
    attachments: 0,
    ended: false,
  });
});

test('names and titles lose what could deceive', () => {
  const [session] = decodeSessions([one({ name: 'a\u202eb\u001b[31m', title: 't\n' + 'x'.repeat(999) })]);
  assert.equal(session?.name, 'ab[31m');
  assert.equal(session?.title.length, 200);
});

test('a list has an end', () => {
  assert.equal(decodeSessions(Array.from({ length: 2000 }, (_, n) => one({ id: `${n}` }))).length, 500);
});

test('a session is described in one line', () => {
  const line = (more: object): string =>
    decodeSessions([one(more)])
      .map(describe)
      .join();
  assert.equal(line({}), '1 attached · 1 min · shell');
  assert.equal(line({ attachments: 2 }), '2 attached · 1 min · shell');
  assert.equal(line({ attachments: 0 }), 'detached · 1 min · shell');
  assert.equal(line({ exit: { kind: 'oom' }, name: 'shell' }), 'ended · 1 min');
});

test('durations are said in one unit', () => {
  const said = [0, 59_999, 60_000, 3_599_000, 3_600_000, 172_799_000, 172_800_000].map(duration);
  assert.deepEqual(said, ['0 s', '59 s', '1 min', '59 min', '1 h', '47 h', '2 d']);
});

test('services are read', () => {
  assert.deepEqual(decodeServices([{ name: 'shell', default: true }, { name: 'py' }, { x: 1 }]), [
    { name: 'shell', standard: true },
    { name: 'py', standard: false },
  ]);
  assert.deepEqual(decodeServices(null), []);
});
