/** The bar of keys that a phone's keyboard lacks. */

const CODES: Record<string, string> = { Escape: '\x1b', Tab: '\t' };
const ARROWS: Record<string, string> = {
  ArrowUp: 'A',
  ArrowDown: 'B',
  ArrowRight: 'C',
  ArrowLeft: 'D',
};

/** What a terminal sends for a key of the bar. `application`: the program has switched cursor keys (DECCKM). */
export function keyCode(key: string, ctrl: boolean, application: boolean): string {
  const arrow = ARROWS[key];
  if (arrow === undefined) return CODES[key] ?? '';
  if (ctrl) return `\x1b[1;5${arrow}`;
  return application ? `\x1bO${arrow}` : `\x1b[${arrow}`;
}

/** What Ctrl makes of a typed character; everything that is not one stays as it is. */
export function withCtrl(text: string): string {
  if (text === '?') return '\x7f';
  if (text === ' ') return '\0';
  const code = text.toUpperCase().charCodeAt(0);
  return text.length === 1 && code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : text;
}

export interface KeyBarWorld {
  send(text: string): void;
  applicationKeys(): boolean;
}

export class KeyBar {
  #ctrl: HTMLElement | null;
  #armed = false;

  constructor(bar: HTMLElement, world: KeyBarWorld) {
    this.#ctrl = bar.querySelector<HTMLElement>('[data-key=Control]');
    // The terminal keeps the focus, or the phone's keyboard would go.
    bar.addEventListener('mousedown', (event) => event.preventDefault());
    bar.addEventListener('click', (event) => {
      const key = (event.target as Element).closest<HTMLElement>('[data-key]')?.dataset['key'];
      if (key === undefined) return;
      if (key === 'Control') return this.#arm(!this.#armed);
      const ctrl = this.#armed;
      this.#arm(false);
      world.send(keyCode(key, ctrl, world.applicationKeys()));
    });
  }

  /** What is typed, with Ctrl if that was tapped before. */
  typed(text: string): string {
    if (!this.#armed || text.length !== 1) return text;
    this.#arm(false);
    return withCtrl(text);
  }

  #arm(armed: boolean): void {
    this.#armed = armed;
    this.#ctrl?.setAttribute('aria-pressed', String(armed));
  }
}
