/** A session smaller than the window gets a visible border, one that fits fills the window. */

import type { Terminal } from '@xterm/xterm';
import type { Size } from './protocol.js';

const SCROLL_BAR = 14;

export function letterbox(xterm: Terminal, window: Size | undefined): void {
  const { element, cols, rows } = xterm;
  const screen = element?.querySelector<HTMLElement>('.xterm-screen');
  if (!element || !screen || window === undefined) return;
  const differs = cols !== window.cols || rows !== window.rows;
  element.classList.toggle('letterbox', differs);
  const padding =
    element.offsetWidth - element.clientWidth + 2 * parseFloat(getComputedStyle(element).paddingLeft);
  element.style.width = differs ? `${screen.offsetWidth + SCROLL_BAR + padding}px` : '';
  element.style.height = differs ? `${screen.offsetHeight + padding}px` : '';
}
