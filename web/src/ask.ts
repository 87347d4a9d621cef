/** One dialog for every question: yes or no, or a line of text. */

import { byId, part } from './dom.js';

export interface Question {
  title: string;
  /** Shown as text, never as markup. */
  detail: string;
  /** The word on the button that says yes. */
  yes: string;
  /** Asks for a line of text, which starts as this. */
  value?: string;
  danger?: boolean;
}

/** The text (empty for a mere yes), or undefined for no. */
export function ask(question: Question): Promise<string | undefined> {
  const dialog = byId<HTMLDialogElement>('ask');
  const input = part<HTMLInputElement>(dialog, 'input');
  const yes = part<HTMLButtonElement>(dialog, '[data-part=yes]');
  // A question replaces the one before it, which is answered by no.
  dialog.close();
  part(dialog, 'h2').textContent = question.title;
  part(dialog, 'p').textContent = question.detail;
  input.hidden = question.value === undefined;
  input.value = question.value ?? '';
  yes.textContent = question.yes;
  yes.classList.toggle('danger', question.danger === true);

  return new Promise((answer) => {
    const listening = new AbortController();
    const { signal } = listening;
    const done = (text?: string): void => {
      listening.abort();
      dialog.close();
      answer(text);
    };
    yes.addEventListener('click', () => done(input.value), { signal });
    part(dialog, '[data-part=no]').addEventListener('click', () => done(), { signal });
    dialog.addEventListener('close', () => done(), { signal });
    input.addEventListener('keydown', (event) => event.key === 'Enter' && done(input.value), { signal });
    dialog.showModal();
    if (question.value === undefined) yes.focus();
    else input.select();
  });
}
