/**
 * Addresses in the output. They are untrusted: only http and https, only in a new tab that knows nothing of this
 * page, and only by a click with Ctrl (or Command), or after a question where there are no such keys.
 */

import type { ILinkHandler } from '@xterm/xterm';

/** Longest address that is followed, in UTF-16 units. */
const MAX_ADDRESS = 2048;

/** What the world gives to links. */
export interface LinkWorld {
  open(address: string): void;
  /** A device without a Ctrl key. */
  touch(): boolean;
  ask(address: string): Promise<boolean>;
  /** The key that opens links, for people. */
  modifier: string;
  /** Tells where a link leads (empty: no longer). */
  tell(text: string): void;
}

/** The address as the browser understands it, or undefined for one that is not followed. */
export function safeAddress(text: string): string | undefined {
  if (text.length > MAX_ADDRESS || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  // A name before an @ is there to look like a host.
  const honest = url.username === '' && url.password === '';
  return honest && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : undefined;
}

export function linkHandler(world: LinkWorld): ILinkHandler {
  return {
    activate(event, text) {
      const address = safeAddress(text);
      if (address === undefined) return;
      if (event.ctrlKey || event.metaKey) world.open(address);
      else if (world.touch()) void world.ask(address).then((yes) => yes && world.open(address));
    },
    hover(_, text) {
      const address = safeAddress(text);
      if (address !== undefined) world.tell(`${world.modifier}-click opens ${address}`);
    },
    leave: () => world.tell(''),
  };
}
