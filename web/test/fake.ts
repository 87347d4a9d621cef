/** A fake socket, clock and listener, so that a test decides what happens when. */

import type { Environment, Events, Probe, Socket, State } from '../src/connection.js';

export class FakeSocket {
  binaryType = '';
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: (string | Uint8Array)[] = [];
  closedWith: number | undefined;

  send(data: string | Uint8Array): void {
    this.sent.push(data);
  }
  close(code?: number): void {
    this.closedWith = code;
  }

  open(): void {
    this.onopen?.();
  }
  message(value: object): void {
    this.onmessage?.({ data: JSON.stringify(value) });
  }
  bytes(kind: number, offset: number, text: string): void {
    const body = new TextEncoder().encode(text);
    const frame = new Uint8Array(9 + body.length);
    frame[0] = kind;
    new DataView(frame.buffer).setBigUint64(1, BigInt(offset));
    frame.set(body, 9);
    this.onmessage?.({ data: frame.buffer });
  }
  output(offset: number, text: string): void {
    this.bytes(1, offset, text);
  }
  lose(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }
  welcome(more: object = {}): void {
    this.message({
      type: 'welcome',
      session: 'abc',
      name: 'shell',
      service: 'shell',
      io: 'pty',
      role: 'owner',
      cols: 80,
      rows: 24,
      head: 0,
      from: 0,
      input: 0,
      uncertain: 0,
      ...more,
    });
  }

  get messages(): Record<string, unknown>[] {
    return this.sent.filter((m) => typeof m === 'string').map((m) => JSON.parse(m));
  }
  ofType(type: string): Record<string, unknown>[] {
    return this.messages.filter((m) => m['type'] === type);
  }
  get input(): { offset: number; text: string }[] {
    return this.sent
      .filter((m) => typeof m !== 'string')
      .map((m) => ({
        offset: Number(new DataView(m.buffer).getBigUint64(1)),
        text: new TextDecoder().decode(m.subarray(9)),
      }));
  }
}

export class FakeWorld implements Environment {
  sockets: FakeSocket[] = [];
  timers: { callback: () => void; at: number }[] = [];
  time = 0;
  looking = true;
  answer: Probe = 'ok';
  names = 0;

  openSocket(): Socket {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket as unknown as Socket;
  }
  probe(): Promise<Probe> {
    return Promise.resolve(this.answer);
  }
  clientName(): string {
    return `client-${++this.names}`;
  }
  visible(): boolean {
    return this.looking;
  }
  random(): number {
    return 1;
  }
  now(): number {
    return this.time;
  }
  setTimer(callback: () => void, delay: number): unknown {
    const timer = { callback, at: this.time + delay };
    this.timers.push(timer);
    return timer;
  }
  clearTimer(timer: unknown): void {
    this.timers = this.timers.filter((other) => other !== timer);
  }

  /** Lets time pass and everything happen that was due. */
  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const due = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.clearTimer(due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }
  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error('no socket yet');
    return last;
  }
}

/** Writes down what a connection tells. */
export class Diary implements Events {
  states: State[] = [];
  log: string[] = [];
  notices: string[] = [];
  latencies: number[] = [];

  state(state: State): void {
    this.states.push(state);
  }
  welcome(): void {}
  output(bytes: Uint8Array, next: number, history: boolean): void {
    this.log.push(`${history ? 'old' : 'new'} ${next} ${new TextDecoder().decode(bytes)}`);
  }
  keyframe(bytes: Uint8Array, next: number): void {
    this.log.push(`keyframe ${next} ${new TextDecoder().decode(bytes)}`);
  }
  resize(size: { cols: number; rows: number }): void {
    this.log.push(`size ${size.cols}x${size.rows}`);
  }
  latency(milliseconds: number): void {
    this.latencies.push(milliseconds);
  }
  notice(text: string): void {
    this.notices.push(text);
  }
  get last(): State | undefined {
    return this.states.at(-1);
  }
}
