/** What the part of the address after `#` says. It never leaves the browser, so it may carry a secret for a moment. */

const DEFAULT_SCROLLBACK = 10_000;
const MIN_SCROLLBACK = 1000;
const MAX_SCROLLBACK = 500_000;

export interface Fragment {
  /** Start code or ticket that logs this browser in. */
  code?: string;
  ticket?: string;
  /** Id or name of the session. */
  session?: string;
  /** Watch only. */
  view: boolean;
  /** Lines that can be scrolled back. */
  scrollback: number;
  /** Expose `globalThis.anywire` to browser tests. */
  test: boolean;
}

export function readFragment(hash: string): Fragment {
  const keys = new URLSearchParams(hash.replace(/^#/, ''));
  const fragment: Fragment = {
    view: keys.has('view'),
    test: keys.has('test'),
    scrollback: scrollback(keys.get('scrollback')),
  };
  const code = keys.get('code');
  const ticket = keys.get('ticket');
  const session = keys.get('s');
  if (code) fragment.code = code;
  if (ticket) fragment.ticket = ticket;
  if (session) fragment.session = session;
  return fragment;
}

/** What to write into the fragment; null removes. */
export interface FragmentChange {
  session?: string | null;
  view?: boolean;
}

/** The fragment without credentials, and with these changes. */
export function writeFragment(hash: string, { session, view }: FragmentChange = {}): string {
  const keys = new URLSearchParams(hash.replace(/^#/, ''));
  keys.delete('code');
  keys.delete('ticket');
  if (session === null) keys.delete('s');
  else if (session !== undefined) keys.set('s', session);
  if (view === false) keys.delete('view');
  else if (view === true) keys.set('view', '');
  // Keys without a value stay as they were typed: `view`, not `view=`.
  const text = keys.toString().replace(/=(?=&|$)/g, '');
  return text === '' ? '' : `#${text}`;
}

function scrollback(text: string | null): number {
  const lines = Number.parseInt(text ?? '', 10);
  if (Number.isNaN(lines)) return DEFAULT_SCROLLBACK;
  return Math.min(Math.max(lines, MIN_SCROLLBACK), MAX_SCROLLBACK);
}
