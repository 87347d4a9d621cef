/**
 * Keeps the terminal from answering queries that lie in history: the program asked long ago and was answered then;
 * a second answer would arrive as typed text.
 */

import type { IParser } from '@xterm/xterm';

/** Every CSI sequence that xterm.js answers. */
const CSI_QUERIES = [
  { final: 'c' },
  { prefix: '>', final: 'c' },
  { prefix: '=', final: 'c' },
  { final: 'n' },
  { prefix: '?', final: 'n' },
  { intermediates: '$', final: 'p' },
  { prefix: '?', intermediates: '$', final: 'p' },
  { prefix: '>', final: 'q' },
  { final: 't' },
] as const;
/** Palette, foreground, background, cursor: a question mark in them asks for the colour. */
const OSC_COLOURS = [4, 10, 11, 12] as const;

/**
 * Swallows queries while `silent()`. Handlers run inside the parser, so what is typed meanwhile is not touched.
 * The report that focus reporting (mode 1004) gives at once is the one answer that has no query of its own.
 */
export function swallowQueries(parser: IParser, silent: () => boolean): void {
  for (const id of CSI_QUERIES) parser.registerCsiHandler(id, silent);
  for (const id of OSC_COLOURS) parser.registerOscHandler(id, (data) => data.includes('?') && silent());
  parser.registerDcsHandler({ intermediates: '$', final: 'q' }, silent);
}

/** Is this what the terminal says of itself when focus reporting is switched on? */
export function isFocusReport(text: string): boolean {
  return text === '\x1b[I' || text === '\x1b[O';
}
