/** The thin bar above the terminal: session, title, state, notices, role, size, latency. Text only, never markup. */

import type { State } from './connection.js';
import { part, setText } from './dom.js';
import type { Role, Size } from './protocol.js';

/** How long a notice stays, in milliseconds. */
const NOTICE_STAYS = 12_000;
const WORDS: Record<State['kind'], string> = {
  connecting: 'connecting',
  connected: 'connected',
  reconnecting: 'reconnecting',
  unauthorized: 'login needed',
  ended: 'ended',
  refused: 'refused',
};

export class StatusBar {
  #bar: HTMLElement;
  #fading: ReturnType<typeof setTimeout> | undefined;

  constructor(bar: HTMLElement, newSession: () => void) {
    this.#bar = bar;
    this.#part('new').addEventListener('click', newSession);
  }

  state(state: State): void {
    this.#bar.dataset['state'] = state.kind;
    const over = state.kind === 'ended' || state.kind === 'refused';
    this.#set('state', over ? state.message || WORDS[state.kind] : WORDS[state.kind]);
    this.#part('new').hidden = !over;
    if (state.kind !== 'connected') this.#set('latency', '');
  }

  notice(text: string): void {
    this.#set('notice', text);
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => this.#set('notice', ''), NOTICE_STAYS);
  }

  name(name: string): void {
    this.#set('session', name);
  }

  role(role: Role): void {
    this.#part('view').hidden = role !== 'viewer';
    this.#set('role', role === 'viewer' ? '' : role);
  }

  title(text: string): void {
    this.#set('title', text);
    this.#part('title').title = text;
  }

  size({ cols, rows }: Size): void {
    this.#set('size', `${cols}×${rows}`);
  }

  latency(milliseconds: number): void {
    this.#set('latency', milliseconds < 1 ? '<1 ms' : `${Math.round(milliseconds)} ms`);
  }

  #set(name: string, text: string): void {
    const element = this.#part(name);
    setText(element, text);
    if (name === 'state' || name === 'notice') element.title = text;
  }

  #part(name: string): HTMLElement {
    return part(this.#bar, `[data-part=${name}]`);
  }
}
