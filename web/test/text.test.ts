import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFragment, writeFragment } from '../src/fragment.js';
import { normaliseCode } from '../src/credential.js';
import { plain } from '../src/text.js';

test('the fragment is read, with limits', () => {
  assert.deepEqual(readFragment('#code=ABC&s=xyz&view&scrollback=9999999'), {
    code: 'ABC',
    session: 'xyz',
    view: true,
    test: false,
    scrollback: 500_000,
  });
  assert.equal(readFragment('#scrollback=1').scrollback, 1000);
  assert.equal(readFragment('#scrollback=x').scrollback, 10_000);
});

test('credentials leave the fragment, the rest stays', () => {
  assert.equal(writeFragment('#code=ABC&view', { session: 'id' }), '#view&s=id');
  assert.equal(writeFragment('#ticket=ABC'), '');
  assert.equal(writeFragment('#s=id', { view: true }), '#s=id&view');
  assert.equal(writeFragment('#s=id&view', { view: false }), '#s=id');
  assert.equal(writeFragment('#view&s=id', { session: null }), '#view');
});

test('a start code may be typed in groups and in lower case', () => {
  assert.equal(normaliseCode(' abcde-fg 234\n'), 'ABCDEFG234');
});

test('titles lose control and direction marks', () => {
  assert.equal(plain('a\u001b]0;b\u202ec\u0000\n'), 'a]0;bc');
  assert.equal(plain('x'.repeat(1000)).length, 200);
});
