/** The terminal on the page: xterm.js, fed in the log's order and kept at the session's size. */

import { FitAddon } from '@xterm/addon-fit';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { Terminal } from '@xterm/xterm';
import type { Io, Size } from './protocol.js';
import { isFocusReport, swallowQueries } from './replies.js';
import { darkTheme, lightTheme } from './theme.js';

/** Limits of a window's size (docs/protocol.md, `resize`). */
const MAX_COLS = 1000;
const MAX_ROWS = 500;
/** A window that is being dragged settles for this long before its size is told, in milliseconds. */
const SETTLE = 100;
const SCROLL_BAR = 14;
const FONTS =
  'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

export interface TerminalEvents {
  /** Bytes for the program: keys, pastes, replies to live queries. */
  input(bytes: Uint8Array): void;
  windowSize(size: Size): void;
  sessionSize(size: Size): void;
  title(text: string): void;
}

export class TerminalView {
  readonly xterm: Terminal;
  #events: TerminalEvents;
  #fit = new FitAddon();
  #encoder = new TextEncoder();
  /** Is xterm.js parsing history at this moment? Set in write callbacks, hence in step with the parser. */
  #parsingHistory = false;
  /** The value that `#parsingHistory` will have when all that was written is parsed. */
  #writingHistory = false;
  #io: Io = 'pty';
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(parent: HTMLElement, scrollback: number, events: TerminalEvents) {
    this.#events = events;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.xterm = new Terminal({
      // Only so that the unicode11 add-on may be chosen; it opens nothing to the program.
      allowProposedApi: true,
      cursorBlink: true,
      fontFamily: FONTS,
      fontSize: 14,
      scrollback,
      theme: dark.matches ? darkTheme : lightTheme,
      // All off: a program may neither resize the window nor read its title.
      windowOptions: {},
    });
    this.xterm.loadAddon(this.#fit);
    this.xterm.loadAddon(new Unicode11Addon());
    this.xterm.unicode.activeVersion = '11';
    this.xterm.open(parent);
    dark.addEventListener('change', () => {
      this.xterm.options.theme = dark.matches ? darkTheme : lightTheme;
    });

    swallowQueries(this.xterm.parser, () => this.#parsingHistory);
    this.xterm.onData((text) => {
      if (!(this.#parsingHistory && isFocusReport(text))) events.input(this.#encode(text));
    });
    this.xterm.onBinary((text) => events.input(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.xterm.onTitleChange((title) => events.title(title));
    new ResizeObserver(() => this.#windowChanged()).observe(parent);
  }

  /** The size that would fill the window. */
  get windowSize(): Size | undefined {
    const size = this.#fit.proposeDimensions();
    if (size === undefined || !(size.cols > 0) || !(size.rows > 0)) return undefined;
    return { cols: Math.min(size.cols, MAX_COLS), rows: Math.min(size.rows, MAX_ROWS) };
  }

  /** Writes output; `done` is called when it is on the screen. */
  write(bytes: Uint8Array, history: boolean, done: () => void): void {
    if (history !== this.#writingHistory) {
      this.#writingHistory = history;
      this.#inOrder(() => (this.#parsingHistory = history));
    }
    this.xterm.write(bytes, done);
  }

  /** Starts over from a picture of the screen. */
  keyframe(bytes: Uint8Array, done: () => void): void {
    this.#inOrder(() => this.xterm.reset());
    this.write(bytes, true, done);
  }

  /** The session has this size from here on in the log. */
  resize(size: Size): void {
    this.#inOrder(() => {
      this.xterm.resize(size.cols, size.rows);
      this.#letterbox();
      this.#events.sessionSize({ cols: this.xterm.cols, rows: this.xterm.rows });
    });
  }

  setIo(io: Io): void {
    this.#io = io;
    // Without a terminal on the other side nobody turns line feeds into new lines.
    this.xterm.options.convertEol = io !== 'pty';
  }

  setReadOnly(readOnly: boolean): void {
    this.xterm.options.disableStdin = readOnly;
    this.xterm.options.cursorInactiveStyle = readOnly ? 'none' : 'outline';
    this.xterm.options.cursorBlink = !readOnly;
  }

  focus(): void {
    this.xterm.focus();
  }

  /** Runs `action` between what was written before and what is written after. */
  #inOrder(action: () => void): void {
    this.xterm.write('', action);
  }

  #encode(text: string): Uint8Array {
    return this.#encoder.encode(this.#io === 'pty' ? text : text.replaceAll('\r', '\n'));
  }

  #windowChanged(): void {
    this.#letterbox();
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      const size = this.windowSize;
      if (size !== undefined) this.#events.windowSize(size);
    }, SETTLE);
  }

  /** A session smaller than the window gets a visible border, one that fits fills the window. */
  #letterbox(): void {
    const element = this.xterm.element;
    const screen = element?.querySelector<HTMLElement>('.xterm-screen');
    const window = this.windowSize;
    if (!element || !screen || window === undefined) return;
    const { cols, rows } = this.xterm;
    const differs = cols !== window.cols || rows !== window.rows;
    element.classList.toggle('letterbox', differs);
    const padding =
      element.offsetWidth - element.clientWidth + 2 * parseFloat(getComputedStyle(element).paddingLeft);
    element.style.width = differs ? `${screen.offsetWidth + SCROLL_BAR + padding}px` : '';
    element.style.height = differs ? `${screen.offsetHeight + padding}px` : '';
  }
}
