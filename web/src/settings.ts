/** What somebody prefers in this browser, kept over reloads where the browser allows it. */

export type ThemeChoice = 'auto' | 'light' | 'dark';

export interface Settings {
  theme: ThemeChoice;
  /** May programs put text on the clipboard (OSC 52)? They may never read it. */
  clipboard: boolean;
}

const KEY = 'anywire';

/** The part of `localStorage` that is used. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>;

export function readSettings(store: () => Store): Settings {
  let kept: Partial<Record<keyof Settings, unknown>> = {};
  try {
    const value: unknown = JSON.parse(store().getItem(KEY) ?? '{}');
    if (typeof value === 'object' && value !== null) kept = value;
  } catch {
    // Storage may be switched off; then the defaults hold.
  }
  const theme = kept.theme === 'light' || kept.theme === 'dark' ? kept.theme : 'auto';
  return { theme, clipboard: kept.clipboard === true };
}

export function writeSettings(store: () => Store, settings: Settings): void {
  try {
    store().setItem(KEY, JSON.stringify(settings));
  } catch {
    // As above: they hold until the page is closed.
  }
}
