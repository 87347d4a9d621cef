/** Finding what index.html promises. */

export function byId<T extends HTMLElement>(id: string): T {
  return part<T>(document, `#${id}`);
}

/** The one element below `parent` that fits. */
export function part<T extends HTMLElement>(parent: ParentNode, selector: string): T {
  const element = parent.querySelector<T>(selector);
  if (element === null) throw new Error(`index.html lacks ${selector}`);
  return element;
}

/** Sets text only if it changes: a live region would be read aloud again, a selection would be lost. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
