/** One session in the list: choose, rename, end. */

import { killSession, renameSession } from './api.js';
import { ask } from './ask.js';
import { part, setText } from './dom.js';
import { describe, type SessionInfo } from './sessions.js';

export interface RowWorld {
  choose(id: string): void;
  /** Runs what changes something, tells what goes wrong, and looks again. */
  change(action: () => Promise<void>): Promise<void>;
}

export class Row {
  readonly element: HTMLElement;
  #session: SessionInfo;

  constructor(template: HTMLTemplateElement, session: SessionInfo, world: RowWorld) {
    this.#session = session;
    const copy = template.content.cloneNode(true) as DocumentFragment;
    this.element = part(copy, 'li');
    const on = (name: string, act: () => unknown): void =>
      this.#part(name).addEventListener('click', () => void act());
    on('open', () => world.choose(this.#session.id));
    on('rename', () => this.#rename(world));
    on('kill', () => this.#kill(world));
  }

  /** Changes only what differs, so that focus and pointer stay where they are. */
  show(session: SessionInfo, current: boolean, mayOwn: boolean): void {
    this.#session = session;
    const { classList } = this.element;
    classList.toggle('ended', session.ended);
    const open = this.#part('open');
    if (current) open.setAttribute('aria-current', 'true');
    else open.removeAttribute('aria-current');
    open.dataset['id'] = session.id;
    setText(this.#part('name'), session.name);
    setText(this.#part('program'), session.title);
    setText(this.#part('about'), describe(session));
    for (const [name, verb] of [
      ['rename', 'Rename'],
      ['kill', 'End'],
    ] as const) {
      const button = this.#part(name);
      button.hidden = !mayOwn || session.ended;
      button.ariaLabel = `${verb} ${session.name}`;
      button.title = verb;
    }
  }

  focus(): void {
    this.#part('open').focus();
  }

  async #rename(world: RowWorld): Promise<void> {
    const { id, name } = this.#session;
    const answer = await ask({ title: 'Rename the session', detail: '', yes: 'Rename', value: name });
    const wanted = answer?.trim();
    if (wanted && wanted !== name) await world.change(() => renameSession(id, wanted));
  }

  async #kill(world: RowWorld): Promise<void> {
    const { id, name } = this.#session;
    const detail = 'Its program and everything that it started will be killed.';
    const answer = await ask({ title: `End “${name}”?`, detail, yes: 'End it', danger: true });
    if (answer !== undefined) await world.change(() => killSession(id));
  }

  #part(name: string): HTMLElement {
    return part(this.element, `[data-part=${name}]`);
  }
}
