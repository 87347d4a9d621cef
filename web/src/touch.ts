/** Scrolling by a finger, which xterm.js 6 leaves out. */

/** Most lines that one movement may scroll. */
const MAX_LINES = 200;

/** Turns movements in pixels into whole lines, and keeps what is left over for the next movement. */
export class LineCounter {
  #rest = 0;

  lines(pixels: number, rowHeight: number): number {
    if (!(rowHeight > 0)) return 0;
    this.#rest += pixels / rowHeight;
    const lines = Math.trunc(this.#rest);
    this.#rest -= lines;
    return Math.min(Math.max(lines, -MAX_LINES), MAX_LINES);
  }

  reset(): void {
    this.#rest = 0;
  }
}

export interface TouchWorld {
  rowHeight(): number;
  /** Negative: towards what was written before. */
  scroll(lines: number, x: number, y: number): void;
}

/** `area` first scrolls itself, where the terminal is larger than it. */
export function scrollByTouch(area: HTMLElement, world: TouchWorld): void {
  const counter = new LineCounter();
  let finger: { id: number; y: number } | undefined;
  area.addEventListener('pointerdown', (event) => {
    // A second finger zooms.
    finger =
      event.pointerType === 'touch' && event.isPrimary
        ? { id: event.pointerId, y: event.clientY }
        : undefined;
    counter.reset();
  });
  area.addEventListener('pointermove', (event) => {
    if (finger?.id !== event.pointerId) return;
    const moved = finger.y - event.clientY;
    finger.y = event.clientY;
    const before = area.scrollTop;
    area.scrollTop += moved;
    const lines = counter.lines(moved - (area.scrollTop - before), world.rowHeight());
    if (lines !== 0) world.scroll(lines, event.clientX, event.clientY);
  });
  for (const end of ['pointerup', 'pointercancel'] as const) {
    area.addEventListener(end, () => (finger = undefined));
  }
}
