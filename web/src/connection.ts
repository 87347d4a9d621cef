/**
 * One attachment to one session over any number of WebSockets: says hello, resumes by offset, resends what was
 * typed, backs off. Knows no DOM; the socket, the clock and chance come from outside, so that tests decide.
 */

import { InputQueue } from './input.js';
import {
  decodeBytes,
  decodeMessage,
  encodeInput,
  ProtocolError,
  type Hello,
  type Role,
  type ServerBytes,
  type ServerMessage,
  type Size,
  type Welcome,
} from './protocol.js';

/** Output that may be on the way beyond what the terminal has digested. */
export const WINDOW = 1024 * 1024;
/** Digested bytes after which the server is told. */
const ACK_EVERY = 128 * 1024;
const PING_EVERY = 2000;
/** Without an answer for this long the connection is taken for dead. */
const PONG_DEADLINE = 8000;
/** From new socket to welcome. */
const HELLO_DEADLINE = 10_000;
const BACKOFF_FIRST = 250;
const BACKOFF_MAX = 5000;
/** A connection that lived this long was a good one: the next attempt is made at once. */
const STABLE = 2000;

/** The part of the browser's WebSocket that is used here. */
export type Socket = Pick<WebSocket, 'binaryType' | 'onopen' | 'onmessage' | 'onclose' | 'send' | 'close'>;

/** Why a WebSocket could not be opened; a browser does not say, so one asks over HTTP. */
export type Probe = 'ok' | 'unauthorized' | 'forbidden' | 'unreachable';

export type State =
  | { kind: 'connecting' | 'connected' | 'reconnecting' | 'unauthorized' }
  | { kind: 'ended' | 'refused'; message: string };

/** What the world gives to a connection. Times are milliseconds. */
export interface Environment {
  openSocket(): Socket;
  probe(): Promise<Probe>;
  /** 16 hexadecimal digits, new at each call. */
  clientName(): string;
  /** Is somebody looking? Latency is only measured then. */
  visible(): boolean;
  random(): number;
  now(): number;
  setTimer(callback: () => void, delay: number): unknown;
  clearTimer(timer: unknown): void;
}

/** What a connection tells. Output, keyframes and sizes come in the log's order. */
export interface Events {
  state(state: State): void;
  welcome(welcome: Welcome): void;
  /** `next` is the offset after these bytes: call `digested` with it. Replies to `history` must not be sent. */
  output(bytes: Uint8Array, next: number, history: boolean): void;
  keyframe(bytes: Uint8Array, next: number): void;
  resize(size: Size): void;
  latency(milliseconds: number): void;
  notice(text: string): void;
}

export interface Target {
  session?: string;
  role?: Role;
}

export class Connection {
  #env: Environment;
  #events: Events;
  #session: string | undefined;
  #role: Role | undefined;
  #client: string;
  #window: Size | undefined;
  #input = new InputQueue();

  /** Offset of the next output byte that we want. */
  #next = 0;
  #head = 0;
  #acked = 0;
  /** Ask for the screen as it is now instead of for the byte at `next`. */
  #fresh = false;
  #mayType = true;

  #socket: Socket | undefined;
  #opened = false;
  #welcomedAt: number | undefined;
  #failures = 0;
  #stopped = true;
  #lastError = '';
  #exitMismatch = false;
  #ended = false;
  #askedAgain = false;
  #timers = new Map<'retry' | 'hello' | 'ping', unknown>();
  #ping: { id: number; at: number } | undefined;
  #pings = 0;
  #heardAt = 0;

  constructor(env: Environment, events: Events, target: Target = {}) {
    this.#env = env;
    this.#events = events;
    this.#session = target.session;
    this.#role = target.role;
    this.#client = env.clientName();
  }

  /** Offset of the next output byte: everything before it was handed on, once. */
  get next(): number {
    return this.#next;
  }

  get attached(): boolean {
    return this.#welcomedAt !== undefined;
  }

  start(): void {
    this.#stopped = false;
    this.#failures = 0;
    this.#state({ kind: 'connecting' });
    this.#connect();
  }

  /** Leaves for good, without a word to the listener. */
  close(): void {
    this.#ended = false;
    this.#leave();
  }

  /** What was handed on could not be shown: comes back for a new picture of the screen. */
  refresh(): void {
    if (this.#stopped && (!this.#ended || this.#askedAgain)) return;
    this.#fresh = true;
    if (!this.#stopped) return this.#drop('a new picture is needed');
    // What has ended says nothing new: once is enough.
    this.#askedAgain = true;
    this.start();
  }

  /** Try at once instead of waiting; on a live connection, find out whether it still is. */
  nudge(): void {
    if (this.#timers.has('retry')) {
      this.#connect();
    } else if (this.attached && this.#ping === undefined) {
      this.#clear('ping');
      this.#sendPing();
    }
  }

  /** Bytes for the program. */
  type(bytes: Uint8Array): void {
    if (this.#stopped || !this.#mayType || bytes.length === 0) return;
    if (!this.#input.push(bytes)) {
      this.#events.notice('Too much input is waiting already; this was not sent.');
      return;
    }
    this.#sendInput();
  }

  /** The window has this size; the session's size may follow, and then `resize` says so. */
  resizeWindow(size: Size): void {
    if (this.#window?.cols === size.cols && this.#window.rows === size.rows) return;
    this.#window = size;
    if (this.attached && this.#mayType) this.#sendMessage({ type: 'resize', ...size });
  }

  /** The terminal has worked off all output before `offset`. */
  digested(offset: number): void {
    if (!this.attached || offset - this.#acked < ACK_EVERY) return;
    this.#acked = offset;
    this.#sendMessage({ type: 'ack', offset });
  }

  #connect(): void {
    this.#clearAll();
    this.#opened = false;
    this.#lastError = '';
    let socket: Socket;
    try {
      socket = this.#env.openSocket();
    } catch {
      this.#retry();
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    // Handlers of an abandoned socket must not speak for its successor.
    socket.onopen = () => {
      if (this.#socket === socket) this.#hello();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code, event.reason);
    };
    this.#timer('hello', HELLO_DEADLINE, () => this.#drop('no answer'));
  }

  #hello(): void {
    this.#opened = true;
    const hello: Hello = { type: 'hello', client: this.#client, window: WINDOW };
    if (!this.#fresh) hello.since = this.#next;
    if (this.#session !== undefined) hello.session = this.#session;
    if (this.#role !== undefined) hello.role = this.#role;
    if (this.#window !== undefined) Object.assign(hello, this.#window);
    this.#sendMessage(hello);
  }

  #receive(data: unknown): void {
    this.#heardAt = this.#env.now();
    try {
      if (typeof data === 'string') {
        const message = decodeMessage(data);
        if (message !== null) this.#message(message);
      } else if (data instanceof ArrayBuffer) {
        const bytes = decodeBytes(data);
        if (bytes !== null) this.#bytes(bytes);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#drop(error.message);
    }
  }

  #message(message: ServerMessage): void {
    if (message.type !== 'welcome' && message.type !== 'error' && !this.attached) {
      throw new ProtocolError(`${message.type} before welcome`);
    }
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message);
      case 'resize':
        return this.#events.resize({ cols: message.cols, rows: message.rows });
      case 'gap':
        return this.#gap(message.from, message.to);
      case 'input':
        if (!this.#input.acknowledge(message.offset)) throw new ProtocolError('input that was never sent');
        return this.#sendInput();
      case 'pong':
        return this.#pong(message.id);
      case 'exit':
        return this.#exit(message.offset, message.message);
      case 'error':
        this.#lastError = message.message || message.code;
        this.#events.notice(this.#lastError);
    }
  }

  #welcome(welcome: Welcome): void {
    this.#clear('hello');
    this.#session = welcome.session;
    this.#head = welcome.head;
    if (this.#fresh) this.#next = welcome.from;
    this.#acked = Math.max(welcome.from, this.#next);
    this.#mayType = welcome.role !== 'viewer' && this.#role !== 'viewer';
    this.#welcomedAt = this.#env.now();
    if (!this.#input.resume(welcome.input)) {
      this.#renewClient('The server lost count of what was typed; unconfirmed input was dropped.');
      throw new ProtocolError('input counts disagree');
    }
    this.#events.welcome(welcome);
    this.#state({ kind: 'connected' });
    if (welcome.uncertain > 0) {
      const what = welcome.uncertain === 1 ? '1 byte' : `${welcome.uncertain} bytes`;
      this.#events.notice(`The server was interrupted: ${what} of input may not have arrived.`);
    }
    if (this.#window !== undefined && this.#mayType && !sameSize(this.#window, welcome)) {
      this.#sendMessage({ type: 'resize', ...this.#window });
    }
    this.#sendInput();
    this.#sendPing();
  }

  #bytes({ kind, offset, bytes }: ServerBytes): void {
    if (!this.attached) throw new ProtocolError('output before welcome');
    if (kind === 'keyframe') {
      if (offset < this.#next) throw new ProtocolError('keyframe of the past');
      this.#next = this.#acked = offset;
      this.#fresh = false;
      this.#events.keyframe(bytes, offset);
      return;
    }
    if (offset !== this.#next) {
      throw new ProtocolError(`output at ${offset} instead of ${this.#next}`);
    }
    const old = Math.min(Math.max(this.#head - offset, 0), bytes.length);
    this.#next = offset + bytes.length;
    this.#fresh = false;
    if (old > 0) this.#events.output(bytes.subarray(0, old), offset + old, true);
    if (old < bytes.length) this.#events.output(bytes.subarray(old), this.#next, false);
  }

  #gap(from: number, to: number): void {
    if (from !== this.#next || to < from) throw new ProtocolError('gap elsewhere');
    this.#next = this.#acked = to;
    this.#events.notice(`${to - from} bytes of output are no longer kept by the server.`);
  }

  #exit(offset: number, message: string): void {
    // All output came before; if not, it can still be fetched. Asked for once, so that nobody goes in circles.
    if (offset !== this.#next && !this.#exitMismatch) {
      this.#exitMismatch = true;
      throw new ProtocolError('output is missing at exit');
    }
    this.#ended = true;
    this.#stop({ kind: 'ended', message });
  }

  #sendInput(): void {
    if (!this.attached) return;
    for (let frame = this.#input.next(); frame !== undefined; frame = this.#input.next()) {
      this.#socket?.send(encodeInput(frame.offset, frame.bytes));
    }
  }

  #sendPing(): void {
    if (this.#env.visible()) {
      this.#ping = { id: ++this.#pings, at: this.#env.now() };
      this.#sendMessage({ type: 'ping', id: this.#ping.id });
      this.#timer('ping', PONG_DEADLINE, () => this.#late());
    } else {
      this.#timer('ping', PING_EVERY, () => this.#sendPing());
    }
  }

  /** A pong may queue behind a megabyte of output: only a connection on which nothing arrives is dead. */
  #late(): void {
    if (this.#env.now() - this.#heardAt >= PONG_DEADLINE) this.#drop('no pong');
    else this.#timer('ping', PONG_DEADLINE, () => this.#late());
  }

  #pong(id: number): void {
    if (this.#ping?.id !== id) return;
    this.#events.latency(this.#env.now() - this.#ping.at);
    this.#ping = undefined;
    this.#timer('ping', PING_EVERY, () => this.#sendPing());
  }

  #closed(code: number, reason: string): void {
    this.#forgetSocket();
    if (this.#stopped) return;
    const why = this.#lastError || reason;
    switch (code) {
      case 4401:
        return this.#stop({ kind: 'unauthorized' });
      case 4403:
        return this.#stop({ kind: 'refused', message: why || 'The server refuses this connection.' });
      case 4404:
        return this.#stop({ kind: 'refused', message: why || 'This session is no longer there.' });
      case 4500:
        return this.#stop({ kind: 'refused', message: why || 'The program could not be started.' });
      case 4400:
      case 4413:
        // Whatever offended the server must not be sent again and again.
        this.#renewClient('The server did not understand; unconfirmed input was dropped.');
        return this.#retry();
      default:
        return this.#opened ? this.#retry() : this.#ask();
    }
  }

  /** The socket did not even open: is it us or the network? */
  #ask(): void {
    this.#state({ kind: 'reconnecting' });
    this.#env.probe().then(
      (answer) => {
        if (this.#stopped || this.#socket !== undefined || this.#timers.has('retry')) return;
        if (answer === 'unauthorized') this.#stop({ kind: 'unauthorized' });
        else if (answer === 'forbidden') {
          this.#stop({ kind: 'refused', message: 'The server refuses connections from this address.' });
        } else this.#retry();
      },
      () => this.#retry(),
    );
  }

  /** Gives up this socket, not the session: the next one goes on from `next`. */
  #drop(why: string): void {
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.close(4000, why.slice(0, 100));
    if (!this.#stopped) this.#retry();
  }

  #forgetSocket(): void {
    if (this.#welcomedAt !== undefined && this.#env.now() - this.#welcomedAt >= STABLE) this.#failures = 0;
    this.#socket = undefined;
    this.#welcomedAt = undefined;
    this.#ping = undefined;
    this.#clearAll();
  }

  #retry(): void {
    this.#state({ kind: 'reconnecting' });
    const ceiling = Math.min(BACKOFF_FIRST * 2 ** (this.#failures - 1), BACKOFF_MAX);
    const delay = this.#failures === 0 ? 0 : ceiling * (0.5 + this.#env.random() / 2);
    this.#failures += 1;
    this.#timer('retry', delay, () => this.#connect());
  }

  #renewClient(notice: string): void {
    if (this.#input.waiting > 0) this.#events.notice(notice);
    this.#client = this.#env.clientName();
    this.#input.reset();
  }

  #leave(): void {
    this.#stopped = true;
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.close(1000);
  }

  #stop(state: State): void {
    this.#leave();
    this.#state(state);
  }

  #state(state: State): void {
    this.#events.state(state);
  }

  #sendMessage(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #timer(name: 'retry' | 'hello' | 'ping', delay: number, callback: () => void): void {
    this.#clear(name);
    const run = (): void => {
      this.#timers.delete(name);
      callback();
    };
    this.#timers.set(name, this.#env.setTimer(run, delay));
  }

  #clear(name: 'retry' | 'hello' | 'ping'): void {
    const timer = this.#timers.get(name);
    if (timer !== undefined) this.#env.clearTimer(timer);
    this.#timers.delete(name);
  }

  #clearAll(): void {
    this.#clear('retry');
    this.#clear('hello');
    this.#clear('ping');
  }
}

function sameSize(a: Size, b: Size): boolean {
  return a.cols === b.cols && a.rows === b.rows;
}
