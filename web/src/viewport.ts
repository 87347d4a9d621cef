/** Keeps the page in the part of the window that a phone's keyboard leaves free. */

export function followViewport(): void {
  const view = window.visualViewport;
  if (!view) return;
  const follow = (): void => {
    // Somebody who zooms in wants to move over the page, not to lay it out anew.
    if (view.scale > 1.01) return;
    document.documentElement.style.setProperty('--viewport', `${view.height}px`);
    scrollTo(0, 0);
  };
  view.addEventListener('resize', follow);
  view.addEventListener('scroll', follow);
  follow();
}
