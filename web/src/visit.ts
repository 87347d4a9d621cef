/** One session at a time: the connection to it, and what the page shows of it. */

import { Connection, type Events, type State } from './connection.js';
import { environment } from './environment.js';
import { writeFragment, type FragmentChange } from './fragment.js';
import type { Size, Welcome } from './protocol.js';
import type { StatusBar } from './status.js';
import type { TerminalView } from './terminal.js';
import { plain } from './text.js';

const PRODUCT = 'anywire';
/** A program may change its title as fast as it likes; it is shown after this pause, in milliseconds. */
const TITLE_PAUSE = 50;

/** Changes the part of the address after `#`; `push` makes an entry to which the back button returns. */
export function setAddress(change: FragmentChange, push = false): void {
  const url = new URL(location.href);
  url.hash = writeFragment(location.hash, change);
  if (push) history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}

export interface VisitEvents {
  state(state: State): void;
  attached(welcome: Welcome): void;
}

export class Visit {
  #terminal: TerminalView;
  #status: StatusBar;
  #events: VisitEvents;
  #connection: Connection | undefined;
  #session = '';
  #name = '';
  #title = '';
  #titleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(terminal: TerminalView, status: StatusBar, events: VisitEvents) {
    this.#terminal = terminal;
    this.#status = status;
    this.#events = events;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Id of the session on the page; empty before the first one. */
  get session(): string {
    return this.#session;
  }

  /** Leaves the present session and makes ready for another one (undefined: as the listener decides). */
  prepare(session: string | undefined, view: boolean): void {
    if (this.#connection !== undefined) {
      this.#connection.close();
      this.#terminal.renew();
    }
    this.#session = session ?? '';
    this.#name = '';
    this.title('');
    this.#connection = new Connection(environment, this.#connectionEvents(view), {
      ...(session !== undefined && { session }),
      ...(view && { role: 'viewer' as const }),
    });
    this.announceWindow();
  }

  start(): void {
    this.#connection?.start();
    this.#terminal.focus();
  }

  type(bytes: Uint8Array): void {
    this.#connection?.type(bytes);
  }

  /** The window may have another size now. */
  announceWindow(size: Size | undefined = this.#terminal.windowSize): void {
    const connection = this.#connection;
    if (size === undefined || connection === undefined) return;
    connection.resizeWindow(size);
    // Until a session says otherwise the window's size is the terminal's.
    if (!connection.attached && connection.next === 0) this.#terminal.resize(size);
  }

  /** The terminal could not show what came; a picture of the screen helps where the bytes do not. */
  repair(): void {
    this.#status.notice('The terminal could not show the output; the screen was drawn anew.');
    this.#connection?.refresh();
  }

  /** The session has this name now. */
  rename(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    this.#status.name(name);
    this.title(this.#title);
  }

  title(text: string): void {
    this.#title = plain(text);
    this.#titleTimer ??= setTimeout(() => {
      this.#titleTimer = undefined;
      this.#status.title(this.#title);
      document.title = [this.#title || this.#name, PRODUCT].filter(Boolean).join(' - ');
    }, TITLE_PAUSE);
  }

  #connectionEvents(view: boolean): Events {
    const terminal = this.#terminal;
    const status = this.#status;
    const digested = (next: number) => (): void => this.#connection?.digested(next);
    return {
      state: (state) => {
        status.state(state);
        this.#events.state(state);
      },
      welcome: (welcome) => this.#welcome(welcome, view),
      output: (bytes, next, old) => terminal.write(bytes, old, digested(next)),
      keyframe: (bytes, next) => terminal.keyframe(bytes, digested(next)),
      resize: (size) => terminal.resize(size),
      latency: (milliseconds) => status.latency(milliseconds),
      notice: (text) => status.notice(plain(text)),
    };
  }

  #welcome(welcome: Welcome, view: boolean): void {
    const role = view ? 'viewer' : welcome.role;
    this.#session = welcome.session;
    setAddress({ session: welcome.session });
    this.rename(plain(welcome.name));
    this.#status.role(role);
    this.#terminal.setIo(welcome.io);
    this.#terminal.setReadOnly(role === 'viewer');
    this.#terminal.resize(welcome);
    this.#events.attached(welcome);
  }
}
