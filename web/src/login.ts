/** Turns a start code or a ticket into this browser's cookie; asks for the code when there is none that works. */

import type { Probe } from './connection.js';

export type LoginResult = { kind: 'ok' | 'wrong' | 'unreachable' } | { kind: 'wait'; seconds: number };

/** A start code as the server knows it: people type it in lower case, in groups, with dashes. */
export function normaliseCode(text: string): string {
  return text.replace(/[\s-]/g, '').toUpperCase();
}

export async function login(credential: { code: string } | { ticket: string }): Promise<LoginResult> {
  let response: Response;
  try {
    response = await fetch('api/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(credential),
    });
  } catch {
    return { kind: 'unreachable' };
  }
  if (response.ok) return { kind: 'ok' };
  if (response.status === 429) {
    const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    return { kind: 'wait', seconds: Number.isNaN(seconds) ? 5 : Math.min(Math.max(seconds, 1), 3600) };
  }
  return { kind: response.status >= 500 ? 'unreachable' : 'wrong' };
}

/** Would the server let us in? */
export async function probe(): Promise<Probe> {
  try {
    const { status } = await fetch('api/sessions', { cache: 'no-store' });
    if (status === 401) return 'unauthorized';
    return status === 403 || status === 421 ? 'forbidden' : 'ok';
  } catch {
    return 'unreachable';
  }
}

export class LoginForm {
  #form: HTMLFormElement;
  #input: HTMLInputElement;
  #button: HTMLButtonElement;
  #message: HTMLElement;
  #done: () => void;

  constructor(form: HTMLFormElement, done: () => void) {
    this.#form = form;
    this.#input = part(form, 'input');
    this.#button = part(form, 'button');
    this.#message = part(form, '[role=alert]');
    this.#done = done;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  show(result?: LoginResult): void {
    this.#form.hidden = false;
    this.#input.focus();
    if (result !== undefined) this.#tell(result);
  }

  async #submit(): Promise<void> {
    const code = normaliseCode(this.#input.value);
    if (code === '') return;
    this.#button.disabled = true;
    const result = await login({ code });
    this.#button.disabled = false;
    if (result.kind !== 'ok') {
      this.#tell(result);
      this.#input.select();
      return;
    }
    this.#input.value = '';
    this.#message.textContent = '';
    this.#form.hidden = true;
    this.#done();
  }

  #tell(result: LoginResult): void {
    if (result.kind === 'wrong') this.#message.textContent = 'That code is not valid (any more).';
    if (result.kind === 'unreachable')
      this.#message.textContent = 'The server does not answer. Is it running?';
    if (result.kind === 'wait') this.#countDown(result.seconds);
  }

  #countDown(seconds: number): void {
    this.#button.disabled = seconds > 0;
    this.#message.textContent =
      seconds > 0 ? `Too many attempts. Try again in ${seconds} s.` : 'You can try again now.';
    if (seconds > 0) setTimeout(() => this.#countDown(seconds - 1), 1000);
  }
}

function part<T extends HTMLElement>(form: HTMLFormElement, selector: string): T {
  const element = form.querySelector<T>(selector);
  if (element === null) throw new Error(`index.html lacks ${selector}`);
  return element;
}
