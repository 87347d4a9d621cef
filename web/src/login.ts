/** The login form: one way in at a time, of those that the server knows. */

import type { LoginMethods } from './api.js';
import { login, normaliseCode, type Credential, type LoginResult } from './credential.js';
import { part } from './dom.js';

const WRONG: Record<string, string> = {
  code: 'That code is not valid (any more).',
  password: 'That name and password do not go together.',
  token: 'That token is not valid.',
};

/** The methods that this page has fields for, in the order in which it offers them. */
export function offered(methods: string[]): string[] {
  const known = ['password', 'token', 'code'].filter((name) => methods.includes(name));
  return known.length > 0 ? known : ['code'];
}

/** What the fields say, or undefined as long as one is empty. */
export function credential(method: string, field: (name: string) => string): Credential | undefined {
  switch (method) {
    case 'password': {
      const [user, password] = [field('user').trim(), field('password')];
      return user && password ? { user, password } : undefined;
    }
    case 'token': {
      const token = field('token').trim();
      return token ? { token } : undefined;
    }
    default: {
      const code = normaliseCode(field('code'));
      return code ? { code } : undefined;
    }
  }
}

export class LoginForm {
  #form: HTMLFormElement;
  #choice: HTMLElement;
  #button: HTMLButtonElement;
  #message: HTMLElement;
  #method = 'code';
  #done: () => void;

  constructor(form: HTMLFormElement, done: () => void) {
    this.#form = form;
    this.#choice = part(form, '[role=radiogroup]');
    this.#button = part(form, '[type=submit]');
    this.#message = part(form, '[role=alert]');
    this.#done = done;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#choice.addEventListener('change', (event) => {
      this.#choose((event.target as HTMLInputElement).value);
    });
  }

  get open(): boolean {
    return !this.#form.hidden;
  }

  show({ methods }: LoginMethods, result?: LoginResult): void {
    const names = offered(methods);
    this.#choice.hidden = names.length === 1;
    for (const radio of this.#choice.querySelectorAll('input')) {
      part(this.#choice, `label:has([value=${radio.value}])`).hidden = !names.includes(radio.value);
      radio.checked = radio.value === names[0];
    }
    this.#form.hidden = false;
    this.#choose(names[0] ?? 'code');
    if (result !== undefined) this.#tell(result);
  }

  #choose(method: string): void {
    this.#method = method;
    this.#message.textContent = '';
    for (const fields of this.#form.querySelectorAll<HTMLFieldSetElement>('[data-method]')) {
      // A field that is not shown must not be required either.
      fields.disabled = fields.hidden = fields.dataset['method'] !== method;
    }
    part<HTMLInputElement>(this.#form, `[data-method=${method}] input`).focus();
  }

  async #submit(): Promise<void> {
    const found = credential(this.#method, (name) => this.#field(name).value);
    if (found === undefined) return;
    this.#button.disabled = true;
    const result = await login(found);
    this.#button.disabled = false;
    if (result.kind !== 'ok') {
      this.#tell(result);
      this.#form.querySelector<HTMLInputElement>('fieldset:not([hidden]) input:last-of-type')?.select();
      return;
    }
    for (const name of ['code', 'password', 'token']) this.#field(name).value = '';
    this.#message.textContent = '';
    this.#form.hidden = true;
    this.#done();
  }

  #field(name: string): HTMLInputElement {
    return part(this.#form, `input[name=${name}]`);
  }

  #tell(result: LoginResult): void {
    if (result.kind === 'wrong') this.#message.textContent = WRONG[this.#method] ?? '';
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
