/** Text from programs, made fit to be shown outside the terminal. */

/** Longest title that is shown, in UTF-16 units. */
const MAX_TITLE = 200;

/** Without control characters and marks that turn the direction of what follows; cut to a sensible length. */
export function plain(text: string): string {
  return text
    .slice(0, 8 * MAX_TITLE)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '')
    .trim()
    .slice(0, MAX_TITLE)
    .replace(/[\uD800-\uDBFF]$/, '');
}
