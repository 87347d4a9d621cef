/** The terminal on the page: xterm.js, fed in the log's order and kept at the session's size. */

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal, type ILinkHandler, type ITheme } from '@xterm/xterm';
import { letterbox } from './letterbox.js';
import type { Io, Size } from './protocol.js';
import { isFocusReport, swallowQueries } from './replies.js';

/** Limits of a window's size (docs/protocol.md, `resize`). */
const MAX_COLS = 1000;
const MAX_ROWS = 500;
/** A window that is being dragged settles for this long before its size is told, in milliseconds. */
const SETTLE = 100;
const FONTS =
  'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

export interface TerminalEvents {
  /** Bytes for the program: keys, pastes, replies to live queries. */
  input(bytes: Uint8Array): void;
  windowSize(size: Size): void;
  sessionSize(size: Size): void;
  title(text: string): void;
  /** The program wants to set (or read) the clipboard: what follows `OSC 52 ;`. */
  clipboard(data: string): void;
  found(index: number, count: number): void;
  /** xterm.js failed over the output: it is empty now and needs a keyframe. */
  broken(): void;
  /** Chance to change what is typed. */
  typed(text: string): string;
  /** True: the key is ours and not the program's. */
  shortcut(event: KeyboardEvent): boolean;
}

export interface TerminalOptions {
  scrollback: number;
  fontSize: number;
  theme: ITheme;
  links: ILinkHandler;
}

export class TerminalView {
  #parent: HTMLElement;
  #events: TerminalEvents;
  #options: TerminalOptions;
  #encoder = new TextEncoder();
  #xterm!: Terminal;
  #fit!: FitAddon;
  #search!: SearchAddon;
  /** Is xterm.js parsing history at this moment? Set in write callbacks, hence in step with the parser. */
  #parsingHistory = false;
  /** The value that `#parsingHistory` will have when all that was written is parsed. */
  #writingHistory = false;
  /** Chunks that were written and are not yet parsed. */
  #unparsed = 0;
  #readOnly = false;
  #io: Io = 'pty';
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(parent: HTMLElement, options: TerminalOptions, events: TerminalEvents) {
    this.#parent = parent;
    this.#events = events;
    this.#options = options;
    this.renew();
    new ResizeObserver(() => this.#windowChanged()).observe(parent);
    // xterm.js parses in a timer of its own, where nobody but the window can catch what it throws.
    addEventListener('error', (event) => {
      if (!(event.error instanceof Error) || this.#unparsed === 0) return;
      event.preventDefault();
      this.#broken(event.error);
    });
  }

  get xterm(): Terminal {
    return this.#xterm;
  }

  get search(): SearchAddon {
    return this.#search;
  }

  /** The size that would fill the window. */
  get windowSize(): Size | undefined {
    const size = this.#fit.proposeDimensions();
    if (size === undefined || !(size.cols > 0) || !(size.rows > 0)) return undefined;
    return { cols: Math.min(size.cols, MAX_COLS), rows: Math.min(size.rows, MAX_ROWS) };
  }

  /** Puts an empty terminal in place of the present one; what that had not yet parsed is dropped. */
  renew(): void {
    const focused = this.#parent.contains(document.activeElement);
    const old = this.#xterm as Terminal | undefined;
    const size = old === undefined ? {} : { cols: old.cols, rows: old.rows };
    old?.dispose();
    this.#parsingHistory = this.#writingHistory = false;
    this.#unparsed = 0;
    const xterm = (this.#xterm = this.#create(size));
    xterm.loadAddon((this.#fit = new FitAddon()));
    xterm.loadAddon((this.#search = new SearchAddon()));
    xterm.loadAddon(new WebLinksAddon((event, text) => this.#link(event, text), this.#linkOptions()));
    xterm.loadAddon(new Unicode11Addon());
    xterm.unicode.activeVersion = '11';
    xterm.open(this.#parent);
    this.#listen(xterm);
    this.setReadOnly(this.#readOnly);
    this.setIo(this.#io);
    if (focused) xterm.focus();
  }

  /** Writes output; `done` is called when it is on the screen. */
  write(bytes: Uint8Array, history: boolean, done: () => void): void {
    if (history !== this.#writingHistory) {
      this.#writingHistory = history;
      this.#inOrder(() => (this.#parsingHistory = history));
    }
    this.#feed(bytes, done);
  }

  /** Starts over from a picture of the screen. */
  keyframe(bytes: Uint8Array, done: () => void): void {
    this.#inOrder(() => this.#xterm.reset());
    this.write(bytes, true, done);
  }

  /** The session has this size from here on in the log. */
  resize(size: Size): void {
    this.#inOrder(() => {
      this.#xterm.resize(size.cols, size.rows);
      letterbox(this.#xterm, this.windowSize);
      this.#events.sessionSize({ cols: this.#xterm.cols, rows: this.#xterm.rows });
    });
  }

  setIo(io: Io): void {
    this.#io = io;
    // Without a terminal on the other side nobody turns line feeds into new lines.
    this.#xterm.options.convertEol = io !== 'pty';
  }

  setReadOnly(readOnly: boolean): void {
    this.#readOnly = readOnly;
    this.#xterm.options.disableStdin = readOnly;
    this.#xterm.options.cursorInactiveStyle = readOnly ? 'none' : 'outline';
    this.#xterm.options.cursorBlink = !readOnly;
  }

  setTheme(theme: ITheme): void {
    this.#options.theme = theme;
    this.#xterm.options.theme = theme;
  }

  /** As if it had been typed. */
  send(text: string): void {
    this.#xterm.input(text);
  }

  /** What is selected, or else what is on the screen. */
  text(): { text: string; selected: boolean } {
    const selection = this.#xterm.getSelection();
    if (selection !== '') return { text: selection, selected: true };
    const { buffer, rows } = this.#xterm;
    const lines = Array.from(
      { length: rows },
      (_, y) => buffer.active.getLine(buffer.active.viewportY + y)?.translateToString(true) ?? '',
    );
    return { text: lines.join('\n').trimEnd(), selected: false };
  }

  focus(): void {
    this.#xterm.focus();
  }

  #create(size: Partial<Size>): Terminal {
    return new Terminal({
      ...size,
      // Only for the unicode11 and the search add-on; it opens nothing to the program.
      allowProposedApi: true,
      fontFamily: FONTS,
      fontSize: this.#options.fontSize,
      linkHandler: { ...this.#options.links, allowNonHttpProtocols: false },
      scrollback: this.#options.scrollback,
      theme: this.#options.theme,
      // All off: a program may neither resize the window nor read its title.
      windowOptions: {},
    });
  }

  #listen(xterm: Terminal): void {
    const events = this.#events;
    swallowQueries(xterm.parser, () => this.#parsingHistory);
    xterm.parser.registerOscHandler(52, (data) => {
      if (!this.#parsingHistory) events.clipboard(data);
      return true;
    });
    xterm.onData((text) => {
      if (!(this.#parsingHistory && isFocusReport(text))) events.input(this.#encode(events.typed(text)));
    });
    xterm.onBinary((text) => events.input(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    xterm.onTitleChange((title) => events.title(title));
    xterm.attachCustomKeyEventHandler((event) => !events.shortcut(event));
    this.#search.onDidChangeResults((found) => events.found(found.resultIndex, found.resultCount));
  }

  #link(event: MouseEvent, text: string): void {
    // Plain addresses have no range that their handler wants.
    this.#options.links.activate(event, text, { start: { x: 1, y: 1 }, end: { x: 1, y: 1 } });
  }

  #linkOptions(): ConstructorParameters<typeof WebLinksAddon>[1] {
    const { hover, leave } = this.#options.links;
    return {
      hover: (event, text) => hover?.(event, text, { start: { x: 1, y: 1 }, end: { x: 1, y: 1 } }),
      leave: (event, text) => leave?.(event, text, { start: { x: 1, y: 1 }, end: { x: 1, y: 1 } }),
    };
  }

  /** Runs `action` between what was written before and what is written after. */
  #inOrder(action: () => void): void {
    this.#feed('', action);
  }

  #feed(data: string | Uint8Array, done: () => void): void {
    const xterm = this.#xterm;
    this.#unparsed += 1;
    try {
      xterm.write(data, () => {
        // A terminal that was replaced has no say.
        if (xterm !== this.#xterm) return;
        done();
        this.#unparsed -= 1;
      });
    } catch (error) {
      // After a key xterm.js parses at once.
      if (xterm === this.#xterm) this.#broken(error);
    }
  }

  #broken(error: unknown): void {
    console.warn('The terminal could not show the output.', error);
    this.renew();
    this.#events.broken();
  }

  #encode(text: string): Uint8Array {
    return this.#encoder.encode(this.#io === 'pty' ? text : text.replaceAll('\r', '\n'));
  }

  #windowChanged(): void {
    letterbox(this.#xterm, this.windowSize);
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      const size = this.windowSize;
      if (size !== undefined) this.#events.windowSize(size);
    }, SETTLE);
  }
}
