/** Search in the terminal, scrollback included. */

import type { ISearchOptions, SearchAddon } from '@xterm/addon-search';
import { part, setText } from './dom.js';

/** The terminal's side of a search. */
export interface FindWorld {
  search(): SearchAddon;
  clearSelection(): void;
  colours(): NonNullable<ISearchOptions['decorations']>;
  closed(): void;
}

export class FindBar {
  #form: HTMLFormElement;
  #input: HTMLInputElement;
  #count: HTMLElement;
  #exact: HTMLInputElement;
  #world: FindWorld;

  constructor(form: HTMLFormElement, world: FindWorld) {
    this.#form = form;
    this.#input = part(form, 'input[type=search]');
    this.#count = part(form, 'output');
    this.#exact = part(form, 'input[type=checkbox]');
    this.#world = world;
    form.addEventListener('submit', (event) => event.preventDefault());
    form.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('input', () => this.#find('older', true));
    this.#exact.addEventListener('change', () => this.#find('older', true));
    part(form, '[data-part=older]').addEventListener('click', () => this.#find('older'));
    part(form, '[data-part=newer]').addEventListener('click', () => this.#find('newer'));
    part(form, '[data-part=close]').addEventListener('click', () => this.close());
  }

  open(): void {
    this.#form.hidden = false;
    this.#input.select();
    this.#input.focus();
    if (this.#input.value !== '') this.#find('older', true);
  }

  close(): void {
    if (this.#form.hidden) return;
    this.#form.hidden = true;
    this.#world.search().clearDecorations();
    this.#world.closed();
  }

  /** Which of how many matches is shown (-1: too many to count). */
  results(index: number, count: number): void {
    const some = this.#input.value !== '';
    const which = index < 0 ? `${count}+` : `${index + 1} of ${count}`;
    setText(this.#count, !some ? '' : count === 0 ? 'nothing' : which);
  }

  #key(event: KeyboardEvent): void {
    if (event.key === 'Escape') this.close();
    else if (event.key === 'Enter' && event.target === this.#input) {
      this.#find(event.shiftKey ? 'newer' : 'older');
    } else return;
    event.preventDefault();
  }

  /** Output grows at its end, so one looks from there to the beginning. */
  #find(direction: 'older' | 'newer', incremental = false): void {
    const options: ISearchOptions = {
      caseSensitive: this.#exact.checked,
      decorations: this.#world.colours(),
    };
    const search = this.#world.search();
    const text = this.#input.value;
    if (text === '') {
      search.clearDecorations();
      this.results(-1, 0);
    } else if (direction === 'newer') search.findNext(text, options);
    else {
      // While one types: from the end again, not from what is selected.
      if (incremental) this.#world.clearSelection();
      search.findPrevious(text, options);
    }
  }
}
