import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyProtocol, pageKey } from '../src/key.js';

function storage(kept: Record<string, string>): () => Storage {
  const store = {
    getItem: (name: string) => kept[name] ?? null,
    setItem: (name: string, value: string) => {
      kept[name] = value;
    },
  };
  return () => store as Storage;
}

test('a page makes a key once, and every tab has the same', () => {
  const kept = {};
  const key = pageKey(storage(kept));
  assert.match(key, /^[\w-]{32}$/);
  assert.equal(pageKey(storage(kept)), key);
  const other = { 'anywire.key': 'another-tab-was-first-0123' };
  assert.equal(pageKey(storage(other)), 'another-tab-was-first-0123');
  assert.equal(pageKey(storage({ 'anywire.key': 'no key' })), key);
});

test('without storage the key holds until the page is closed', () => {
  const none = (): Storage => {
    throw new Error('switched off');
  };
  assert.equal(pageKey(none), pageKey(none));
  assert.equal(keyProtocol(), `anywire.key.${pageKey(none)}`);
});
