/**
 * The page's half of its login. Browsers send the cookie to every port of a host, so that another user's server on the
 * same machine may see it; this key is kept where only pages of our own scheme, host and port find it, and the server
 * takes neither without the other.
 */

import type { Store } from './settings.js';

const NAME = 'anywire.key';
const BYTES = 24;
/** For browsers that keep nothing: then a page that is loaded again logs in again. */
const unkept = makeKey();

export const KEY_HEADER = 'anywire-key';

/** The same in all tabs, and looked up each time, since another tab may have been first. */
export function pageKey(store: () => Store = () => localStorage): string {
  try {
    const kept = store().getItem(NAME);
    if (kept !== null && /^[\w-]{22,64}$/.test(kept)) return kept;
    store().setItem(NAME, unkept);
  } catch {
    // Storage is switched off.
  }
  return unkept;
}

/** The subprotocol by which a WebSocket carries the key: a page cannot give it a header. */
export function keyProtocol(): string {
  return `anywire.key.${pageKey()}`;
}

function makeKey(): string {
  const text = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(BYTES)));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_');
}
