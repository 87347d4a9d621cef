import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, type Target } from '../src/connection.js';
import { Diary, FakeWorld } from './fake.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function start(target: Target = {}) {
  const world = new FakeWorld();
  const diary = new Diary();
  const connection = new Connection(world, diary, target);
  connection.start();
  world.socket.open();
  return { world, diary, connection };
}

/** The connection is gone and the next one is open. */
function again(world: FakeWorld, code = 1006): void {
  world.socket.lose(code);
  world.pass(5000);
  world.socket.open();
}

test('says hello from the beginning, with a window and a name', () => {
  const { world, connection } = start({ session: 'abc' });
  assert.deepEqual(world.socket.messages, [
    { type: 'hello', since: 0, client: 'client-1', window: 1048576, session: 'abc' },
  ]);
  assert.equal(connection.attached, false);
});

test('resumes at the next byte under the same name', () => {
  const { world, diary } = start();
  world.socket.welcome();
  world.socket.output(0, 'hello ');
  again(world);
  assert.deepEqual(world.socket.messages[0], {
    type: 'hello',
    since: 6,
    client: 'client-1',
    window: 1048576,
    session: 'abc',
  });
  world.socket.welcome({ from: 6, head: 6 });
  world.socket.output(6, 'world');
  assert.deepEqual(diary.log, ['new 6 hello ', 'new 11 world']);
});

test('output before the head is history, also in the middle of a frame', () => {
  const { world, diary } = start();
  world.socket.welcome({ head: 4 });
  world.socket.output(0, 'ab');
  world.socket.output(2, 'cdef');
  assert.deepEqual(diary.log, ['old 2 ab', 'old 4 cd', 'new 6 ef']);
});

test('never takes a byte twice and never skips one', () => {
  const { world, diary, connection } = start();
  world.socket.welcome();
  world.socket.output(0, 'abcd');
  for (const wrong of [2, 9]) {
    const socket = world.socket;
    socket.output(wrong, 'xxxx');
    assert.equal(socket.closedWith, 4000);
    socket.output(4, 'late'); // an abandoned socket has no say
    assert.equal(connection.next, 4);
    world.pass(5000);
    world.socket.open();
    assert.equal(world.socket.messages[0]?.['since'], 4);
    world.socket.welcome({ from: 4, head: 4 });
  }
  world.socket.output(4, 'efgh');
  assert.deepEqual(diary.log, ['new 4 abcd', 'new 8 efgh']);
});

test('a keyframe moves on, a keyframe of the past does not', () => {
  const { world, diary, connection } = start();
  world.socket.welcome({ head: 100, from: 90 });
  world.socket.bytes(3, 90, 'screen');
  world.socket.output(90, '0123456789');
  assert.deepEqual(diary.log, ['keyframe 90 screen', 'old 100 0123456789']);
  world.socket.bytes(3, 50, 'old screen');
  assert.equal(world.socket.closedWith, 4000);
  assert.equal(connection.next, 100);
});

test('a gap is named and passed', () => {
  const { world, diary } = start();
  world.socket.welcome({ io: 'pipe', head: 60, from: 50 });
  world.socket.message({ type: 'gap', from: 0, to: 50 });
  world.socket.bytes(2, 50, 'stderr');
  assert.deepEqual(diary.log, ['old 56 stderr']);
  assert.match(diary.notices[0] ?? '', /50 bytes/);
});

test('sizes come in order with output', () => {
  const { world, diary } = start();
  world.socket.welcome();
  world.socket.output(0, 'a');
  world.socket.message({ type: 'resize', cols: 100, rows: 30, offset: 1 });
  world.socket.output(1, 'b');
  assert.deepEqual(diary.log, ['new 1 a', 'size 100x30', 'new 2 b']);
});

test('input typed before the welcome waits for it', () => {
  const { world, connection } = start();
  connection.type(bytes('ls'));
  assert.deepEqual(world.socket.input, []);
  world.socket.welcome();
  assert.deepEqual(world.socket.input, [{ offset: 0, text: 'ls' }]);
});

test('sends again what was not acknowledged, and only that', () => {
  const { world, connection } = start();
  world.socket.welcome();
  connection.type(bytes('abc'));
  connection.type(bytes('def'));
  world.socket.message({ type: 'input', offset: 3 });
  again(world);
  connection.type(bytes('ghi'));
  world.socket.welcome({ input: 4 }); // one byte more than we heard of
  assert.deepEqual(world.socket.input, [
    { offset: 4, text: 'ef' },
    { offset: 6, text: 'ghi' },
  ]);
  world.socket.message({ type: 'input', offset: 9 });
  again(world);
  world.socket.welcome({ input: 9 });
  assert.deepEqual(world.socket.input, []);
});

test('uncertain input is told, not sent', () => {
  const { world, connection, diary } = start();
  world.socket.welcome();
  connection.type(bytes('abcdef'));
  again(world);
  world.socket.welcome({ input: 6, uncertain: 4 });
  assert.deepEqual(world.socket.input, []);
  assert.match(diary.notices[0] ?? '', /4 bytes of input may not have arrived/);
});

test('a server that lost count is met under a new name', () => {
  const { world, connection, diary } = start();
  world.socket.welcome();
  connection.type(bytes('abcdef'));
  world.socket.message({ type: 'input', offset: 6 });
  connection.type(bytes('x'));
  again(world);
  world.socket.welcome({ input: 0 });
  world.pass(5000);
  world.socket.open();
  assert.equal(world.socket.messages[0]?.['client'], 'client-2');
  assert.match(diary.notices[0] ?? '', /dropped/);
  world.socket.welcome();
  connection.type(bytes('y'));
  assert.deepEqual(world.socket.input, [{ offset: 0, text: 'y' }]);
});

test('a large paste goes out in frames of 64 KiB, 256 KiB at a time', () => {
  const { world, connection } = start();
  world.socket.welcome();
  connection.type(new Uint8Array(600 * 1024));
  assert.deepEqual(
    world.socket.input.map((f) => f.offset),
    [0, 65536, 131072, 196608],
  );
  world.socket.message({ type: 'input', offset: 65536 });
  assert.equal(world.socket.input.length, 5);
});

test('more than 16 MiB of waiting input is refused as a whole', () => {
  const { world, connection, diary } = start();
  world.socket.welcome();
  connection.type(new Uint8Array(16 * 1024 * 1024));
  connection.type(bytes('x'));
  assert.match(diary.notices[0] ?? '', /not sent/);
});

test('a viewer sends neither keys nor sizes', () => {
  const { world, connection } = start({ role: 'viewer' });
  assert.equal(world.socket.messages[0]?.['role'], 'viewer');
  world.socket.welcome({ role: 'viewer' });
  connection.type(bytes('rm'));
  connection.resizeWindow({ cols: 10, rows: 10 });
  assert.deepEqual(world.socket.input, []);
  assert.deepEqual(world.socket.ofType('resize'), []);
});

test('the window is told when it differs', () => {
  const { world, connection } = start();
  connection.resizeWindow({ cols: 100, rows: 30 });
  world.socket.welcome({ cols: 100, rows: 30 });
  assert.deepEqual(world.socket.ofType('resize'), []);
  connection.resizeWindow({ cols: 120, rows: 30 });
  connection.resizeWindow({ cols: 120, rows: 30 });
  assert.deepEqual(world.socket.ofType('resize'), [{ type: 'resize', cols: 120, rows: 30 }]);
  again(world);
  world.socket.welcome({ cols: 80, rows: 24 });
  assert.deepEqual(world.socket.ofType('resize'), [{ type: 'resize', cols: 120, rows: 30 }]);
});

test('acknowledges what the terminal has digested, every 128 KiB', () => {
  const { world, connection } = start();
  world.socket.welcome({ from: 1000, head: 1000 });
  connection.digested(100_000);
  connection.digested(133_000);
  connection.digested(200_000);
  connection.digested(270_000);
  assert.deepEqual(
    world.socket.ofType('ack').map((m) => m['offset']),
    [133_000, 270_000],
  );
});

test('backs off from at once to 5 s, and starts over after a good connection', () => {
  const { world } = start();
  const delays: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const before = world.sockets.length;
    world.socket.lose();
    let waited = 0;
    for (; world.sockets.length === before && waited < 6000; waited += 50) world.pass(waited === 0 ? 0 : 50);
    delays.push(waited - 50);
    world.socket.open();
  }
  assert.deepEqual(delays, [0, 250, 500, 1000, 2000, 4000, 5000, 5000]);
  world.socket.welcome();
  world.pass(3000);
  const before = world.sockets.length;
  world.socket.lose();
  world.pass(0);
  assert.equal(world.sockets.length, before + 1);
});

test('a nudge ends the waiting', () => {
  const { world, connection } = start();
  world.socket.lose();
  world.pass(0);
  world.socket.open();
  world.socket.lose();
  const before = world.sockets.length;
  connection.nudge();
  assert.equal(world.sockets.length, before + 1);
});

test('measures latency while somebody looks', () => {
  const { world, diary } = start();
  world.socket.welcome();
  world.pass(12);
  world.socket.message({ type: 'pong', id: 1 });
  assert.deepEqual(diary.latencies, [12]);
  world.looking = false;
  world.pass(10_000);
  assert.equal(world.socket.ofType('ping').length, 1);
  world.looking = true;
  world.pass(2000);
  assert.equal(world.socket.ofType('ping').length, 2);
});

test('a connection on which nothing arrives is dead, a busy one is not', () => {
  const { world } = start();
  world.socket.welcome();
  let offset = 0;
  for (let second = 0; second < 20; second += 1) {
    world.pass(1000);
    world.socket.output(offset++, 'x');
  }
  assert.equal(world.sockets.length, 1);
  world.pass(17_000);
  assert.equal(world.sockets[0]?.closedWith, 4000);
  assert.equal(world.sockets.length > 1, true);
});

test('a server that stops is waited for', () => {
  const { world, diary } = start();
  world.socket.welcome();
  again(world, 1001);
  world.socket.welcome();
  assert.deepEqual(
    diary.states.map((s) => s.kind),
    ['connecting', 'connected', 'reconnecting', 'connected'],
  );
});

test('an exit ends it, with its message', () => {
  const { world, diary, connection } = start();
  world.socket.welcome();
  world.socket.output(0, 'bye');
  world.socket.message({
    type: 'exit',
    reason: { kind: 'code' },
    code: 0,
    message: 'exited with code 0',
    offset: 3,
  });
  world.socket.lose(1000);
  assert.deepEqual(diary.last, { kind: 'ended', message: 'exited with code 0' });
  connection.type(bytes('x'));
  world.pass(60_000);
  assert.equal(world.sockets.length, 1);
});

test('output that is missing at exit is fetched', () => {
  const { world, diary } = start();
  world.socket.welcome();
  world.socket.message({ type: 'exit', code: 0, message: 'exited with code 0', offset: 3 });
  world.pass(5000);
  world.socket.open();
  world.socket.welcome({ head: 3 });
  world.socket.output(0, 'bye');
  world.socket.message({ type: 'exit', code: 0, message: 'exited with code 0', offset: 3 });
  assert.deepEqual(diary.log, ['old 3 bye']);
  assert.equal(diary.last?.kind, 'ended');
});

for (const [code, kind] of [
  [4401, 'unauthorized'],
  [4403, 'refused'],
  [4404, 'refused'],
  [4500, 'refused'],
] as const) {
  test(`close ${code} is final: ${kind}`, () => {
    const { world, diary } = start();
    world.socket.message({ type: 'error', code: 'x', message: 'because' });
    world.socket.lose(code);
    assert.equal(diary.last?.kind, kind);
    if (kind === 'refused') assert.deepEqual(diary.last, { kind, message: 'because' });
    world.pass(60_000);
    assert.equal(world.sockets.length, 1);
  });
}

test('a refused upgrade is looked into over HTTP', async () => {
  for (const [answer, kind] of [
    ['unauthorized', 'unauthorized'],
    ['forbidden', 'refused'],
    ['unreachable', 'reconnecting'],
    ['ok', 'reconnecting'],
  ] as const) {
    const world = new FakeWorld();
    const diary = new Diary();
    world.answer = answer;
    new Connection(world, diary).start();
    world.socket.lose();
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(diary.last?.kind, kind, answer);
    world.pass(5000);
    assert.equal(world.sockets.length, kind === 'reconnecting' ? 2 : 1, answer);
  }
});

test('what the server did not understand is not sent again', () => {
  const { world, connection } = start();
  world.socket.welcome();
  connection.type(bytes('poison'));
  again(world, 4400);
  assert.equal(world.socket.messages[0]?.['client'], 'client-2');
  world.socket.welcome();
  assert.deepEqual(world.socket.input, []);
});

test('messages that break the protocol cost the connection, unknown ones nothing', () => {
  const { world } = start();
  world.socket.welcome();
  const first = world.socket;
  first.message({ type: 'from-the-future', x: 1 });
  first.bytes(9, 0, 'unknown kind');
  assert.equal(first.closedWith, undefined);
  first.onmessage?.({ data: '{' });
  assert.equal(first.closedWith, 4000);
  world.pass(5000);
  world.socket.open();
  world.socket.output(0, 'before welcome');
  assert.equal(world.socket.closedWith, 4000);
});

test('asks for a picture instead of bytes when those could not be shown, until it has one', () => {
  const { world, diary, connection } = start();
  world.socket.welcome({ head: 4 });
  world.socket.output(0, 'abcd');
  connection.refresh();
  world.pass(5000);
  world.socket.open();
  const hello = { type: 'hello', client: 'client-1', window: 1048576, session: 'abc' };
  assert.deepEqual(world.socket.ofType('hello'), [hello]);
  world.socket.welcome({ head: 9, from: 9 });
  again(world); // lost before the picture came
  assert.equal(world.socket.ofType('hello')[0]?.['since'], undefined);
  world.socket.welcome({ head: 9, from: 9 });
  world.socket.bytes(3, 9, 'screen');
  world.socket.output(9, 'efg');
  assert.deepEqual(diary.log, ['old 4 abcd', 'keyframe 9 screen', 'new 12 efg']);
  again(world);
  assert.equal(world.socket.messages[0]?.['since'], 12);
});

test('a connection that is left says nothing any more', () => {
  const { world, diary, connection } = start();
  world.socket.welcome();
  const states = diary.states.length;
  const { socket } = world;
  connection.close();
  assert.equal(socket.closedWith, 1000);
  socket.lose(1006);
  connection.type(bytes('x'));
  connection.refresh();
  connection.nudge();
  world.pass(60_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(diary.states.length, states);
});

test('the last picture of what has ended is asked for once', () => {
  const { world, diary, connection } = start();
  const exit = { type: 'exit', code: 0, message: 'exited with code 0', offset: 2 };
  world.socket.welcome();
  world.socket.output(0, 'ab');
  world.socket.message(exit);
  connection.refresh();
  world.socket.open();
  assert.equal(world.sockets.length, 2);
  world.socket.welcome({ head: 2, from: 2 });
  world.socket.bytes(3, 2, 'screen');
  world.socket.message(exit);
  assert.equal(diary.last?.kind, 'ended');
  connection.refresh();
  assert.equal(world.sockets.length, 2);
});
