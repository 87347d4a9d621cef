/** What was typed and not yet acknowledged, numbered so that no byte reaches the program twice. */

import { MAX_INPUT_FRAME } from './protocol.js';

/** Typed bytes that may wait for the server; more is refused as a whole. */
export const MAX_WAITING = 16 * 1024 * 1024;
/** Bytes that may be on the way without an acknowledgement, so that a large paste does not fill the server. */
const IN_FLIGHT = 4 * MAX_INPUT_FRAME;

export interface InputFrame {
  offset: number;
  bytes: Uint8Array;
}

export class InputQueue {
  /** Offset of the first byte that we still hold. */
  #taken = 0;
  /** Offset of the next byte to send on this connection. */
  #sent = 0;
  /** Offset after the last byte typed. */
  #end = 0;
  #frames: InputFrame[] = [];

  get waiting(): number {
    return this.#end - this.#taken;
  }

  /** Takes all of `bytes`, or nothing when too much waits already. */
  push(bytes: Uint8Array): boolean {
    if (this.waiting + bytes.length > MAX_WAITING) return false;
    for (let at = 0; at < bytes.length; at += MAX_INPUT_FRAME) {
      const part = bytes.slice(at, at + MAX_INPUT_FRAME);
      this.#frames.push({ offset: this.#end, bytes: part });
      this.#end += part.length;
    }
    return true;
  }

  /** The next frame to send now, if the connection may carry one more. */
  next(): InputFrame | undefined {
    if (this.#sent === this.#end || this.#sent - this.#taken >= IN_FLIGHT) return undefined;
    const frame = this.#frames.find((f) => f.offset + f.bytes.length > this.#sent);
    if (frame === undefined) return undefined;
    const skip = this.#sent - frame.offset;
    this.#sent = frame.offset + frame.bytes.length;
    return { offset: frame.offset + skip, bytes: frame.bytes.subarray(skip) };
  }

  /** The server has given everything before `offset` to the program. False: it cannot have. */
  acknowledge(offset: number): boolean {
    if (offset > this.#sent) return false;
    this.#drop(offset);
    return true;
  }

  /** A new connection on which the server has taken `offset` bytes so far. False: our counts disagree. */
  resume(offset: number): boolean {
    if (offset < this.#taken || offset > this.#end) return false;
    this.#drop(offset);
    this.#sent = offset;
    return true;
  }

  /** Forgets everything and counts from 0, for a new client name. */
  reset(): void {
    this.#taken = this.#sent = this.#end = 0;
    this.#frames = [];
  }

  #drop(offset: number): void {
    if (offset <= this.#taken) return;
    this.#taken = offset;
    const keep = this.#frames.findIndex((f) => f.offset + f.bytes.length > offset);
    this.#frames.splice(0, keep < 0 ? this.#frames.length : keep);
  }
}
