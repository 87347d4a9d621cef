/** What the browser gives to a connection: sockets, time, chance. */

import type { Environment } from './connection.js';
import { probe } from './credential.js';
import { keyProtocol } from './key.js';
import { SUBPROTOCOL } from './protocol.js';

export const environment: Environment = {
  openSocket() {
    // Relative to the page, so that it works under any base path.
    const url = new URL('ws', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    return new WebSocket(url, [SUBPROTOCOL, keyProtocol()]);
  },
  probe,
  clientName() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  },
  visible: () => document.visibilityState === 'visible',
  random: Math.random,
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Moments at which a lost connection may have become possible again. */
export function onWake(nudge: () => void): void {
  addEventListener('online', nudge);
  addEventListener('pageshow', nudge);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') nudge();
  });
}
