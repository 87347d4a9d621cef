/** Text to the clipboard: by people at any time, by programs (OSC 52) only when allowed and looked at. Never from it. */

/** Most bytes that a program may put on the clipboard. */
const MAX_BYTES = 1024 * 1024;

/** The text of an OSC 52 sequence that sets the clipboard; undefined for a question, nonsense, or too much. */
export function decodeOsc52(data: string): string | undefined {
  const [, selection, payload] = /^([cps0-7]*);([A-Za-z0-9+/]*={0,2})$/.exec(data) ?? [];
  if (selection === undefined || !payload || payload.length > (MAX_BYTES * 4) / 3) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** False: the browser does not allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No secure context (plain http beyond this machine) or no permission.
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.className = 'offscreen';
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
