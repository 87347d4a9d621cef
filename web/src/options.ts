/** The preferences at the end of the side sheet. */

import { part } from './dom.js';
import type { Settings, ThemeChoice } from './settings.js';

export interface OptionsWorld {
  changed(settings: Settings): void;
  watch(only: boolean): void;
  logout(): void;
}

export class Options {
  #watch: HTMLInputElement;
  #logout: HTMLElement;

  constructor(parent: HTMLElement, settings: Settings, view: boolean, world: OptionsWorld) {
    const theme = part<HTMLSelectElement>(parent, 'select[name=theme]');
    const clipboard = part<HTMLInputElement>(parent, 'input[name=clipboard]');
    this.#watch = part(parent, 'input[name=view]');
    this.#logout = part(parent, '[data-part=logout]');
    theme.value = settings.theme;
    clipboard.checked = settings.clipboard;
    this.#watch.checked = view;

    theme.addEventListener('change', () => {
      settings.theme = theme.value as ThemeChoice;
      world.changed(settings);
    });
    clipboard.addEventListener('change', () => {
      settings.clipboard = clipboard.checked;
      world.changed(settings);
    });
    this.#watch.addEventListener('change', () => world.watch(this.#watch.checked));
    this.#logout.addEventListener('click', () => world.logout());
  }

  set watch(only: boolean) {
    this.#watch.checked = only;
  }

  /** Somebody who did not log in cannot log out. */
  mayLogOut(possible: boolean): void {
    this.#logout.hidden = !possible;
  }
}
