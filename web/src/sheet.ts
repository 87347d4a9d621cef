/**
 * Stands in for the three `<style>` elements that xterm.js makes. A strict `style-src` forbids those, but not style
 * sheets made by script, so that no nonce and no 'unsafe-inline' is needed. build.mjs puts it into xterm.js.
 */

/** An element that shows nothing; its `textContent` is the text of a style sheet of the document. */
export function anywireStyleElement(document: Document): HTMLElement {
  const element = document.createElement('template');
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, 'textContent', { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    HTMLElement.prototype.remove.call(element);
  };
  return element;
}
