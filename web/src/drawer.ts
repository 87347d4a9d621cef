/** The side sheet with the sessions. Looks at the server every few seconds, but only while it is open and seen. */

import { ApiError, listServices, listSessions } from './api.js';
import { part, setText } from './dom.js';
import type { Role } from './protocol.js';
import { Row } from './row.js';
import type { SessionInfo } from './sessions.js';

const REFRESH = 3000;

export interface DrawerWorld {
  choose(id: string): void;
  create(service: string | undefined): Promise<void>;
  /** The session on the page has this name now. */
  named(name: string): void;
  closed(): void;
}

export class Drawer {
  #element: HTMLElement;
  #button: HTMLElement;
  #world: DrawerWorld;
  #rows = new Map<string, Row>();
  #sessions: SessionInfo[] = [];
  #current = '';
  #mayOwn = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(element: HTMLElement, button: HTMLElement, world: DrawerWorld) {
    this.#element = element;
    this.#button = button;
    this.#world = world;
    button.addEventListener('click', () => this.toggle());
    part(element, '[data-part=close]').addEventListener('click', () => this.close());
    part(element, '[data-part=create]').addEventListener('click', () => void this.#create());
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') this.#step(event);
    });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible' && this.isOpen) void this.refresh();
    });
  }

  get isOpen(): boolean {
    return !this.#element.hidden;
  }

  toggle(): void {
    if (this.isOpen) this.close();
    else void this.open();
  }

  async open(): Promise<void> {
    this.#show(true);
    part(this.#element, '[data-part=create]').focus();
    void this.#services();
    await this.refresh();
    if (this.#element.contains(document.activeElement)) this.#rows.get(this.#current)?.focus();
  }

  close(): void {
    if (!this.isOpen) return;
    this.#show(false);
    clearTimeout(this.#timer);
    this.#world.closed();
  }

  /** This session is on the page, and the visitor has this role. */
  current(id: string, role: Role): void {
    this.#current = id;
    this.#mayOwn = role === 'owner';
    part(this.#element, '[data-part=start]').hidden = role === 'viewer';
    this.#render();
    if (this.isOpen) void this.refresh();
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const sessions = await listSessions();
      if (asked !== this.#asked) return;
      this.#sessions = sessions;
      this.#problem('');
      this.#render();
    } catch (error) {
      if (asked === this.#asked) this.#complain(error);
    }
    clearTimeout(this.#timer);
    const look = this.isOpen && document.visibilityState === 'visible';
    if (look) this.#timer = setTimeout(() => void this.refresh(), REFRESH);
  }

  #show(open: boolean): void {
    this.#element.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
  }

  #render(): void {
    const list = part(this.#element, '[data-part=list]');
    const template = part<HTMLTemplateElement>(this.#element, '[data-part=row]');
    const gone = new Set(this.#rows.keys());
    let before: Element | null = list.firstElementChild;
    for (const session of this.#sessions) {
      gone.delete(session.id);
      if (session.id === this.#current) this.#world.named(session.name);
      let row = this.#rows.get(session.id);
      if (row === undefined) {
        row = new Row(template, session, {
          choose: (id) => this.#world.choose(id),
          change: (action) => this.#change(action),
        });
        this.#rows.set(session.id, row);
      }
      row.show(session, session.id === this.#current, this.#mayOwn);
      if (row.element === before) before = before.nextElementSibling;
      else list.insertBefore(row.element, before);
    }
    for (const id of gone) {
      this.#rows.get(id)?.element.remove();
      this.#rows.delete(id);
    }
  }

  async #services(): Promise<void> {
    const select = part<HTMLSelectElement>(this.#element, 'select[name=service]');
    // A server without services has nothing to choose from.
    const services = await listServices().catch(() => []);
    const chosen = select.value;
    select.replaceChildren(
      ...services.map(({ name, standard }) => new Option(name, name, standard, standard)),
    );
    if (services.some(({ name }) => name === chosen)) select.value = chosen;
    select.hidden = services.length < 2;
  }

  async #create(): Promise<void> {
    const { value } = part<HTMLSelectElement>(this.#element, 'select[name=service]');
    await this.#change(() => this.#world.create(value || undefined));
  }

  async #change(action: () => Promise<void>): Promise<void> {
    try {
      await action();
      await this.refresh();
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    this.#problem(error.unknown ? 'The server does not know how to do this.' : error.message);
  }

  #problem(text: string): void {
    setText(part(this.#element, '[role=alert]'), text);
  }

  /** Arrows go through the list. */
  #step(event: KeyboardEvent): void {
    const open = [...this.#element.querySelectorAll<HTMLElement>('[data-part=open]')];
    const at = open.findIndex((button) => button === document.activeElement);
    if (at < 0) return;
    open[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    event.preventDefault();
  }
}
