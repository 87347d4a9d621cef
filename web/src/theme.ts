/** Colours of the terminal in the dark and in the light; src/app.css has those of the rest. */

import type { ISearchOptions } from '@xterm/addon-search';
import type { ITheme } from '@xterm/xterm';
import type { ThemeChoice } from './settings.js';

export const darkTheme: ITheme = {
  background: '#14171c',
  foreground: '#d7dae0',
  cursor: '#d7dae0',
  cursorAccent: '#14171c',
  selectionBackground: '#3a5378',
  scrollbarSliderBackground: '#ffffff22',
  scrollbarSliderHoverBackground: '#ffffff3d',
  scrollbarSliderActiveBackground: '#ffffff52',
  black: '#23272e',
  red: '#e5686b',
  green: '#8cc265',
  yellow: '#d9b25f',
  blue: '#6aa5ef',
  magenta: '#c588dd',
  cyan: '#56b6c2',
  white: '#c4c9d2',
  brightBlack: '#6b7380',
  brightRed: '#f28b8e',
  brightGreen: '#a9d987',
  brightYellow: '#ebcb85',
  brightBlue: '#94c0f7',
  brightMagenta: '#d8abea',
  brightCyan: '#82cfd9',
  brightWhite: '#f2f4f7',
};

export const lightTheme: ITheme = {
  background: '#fcfcfa',
  foreground: '#24292f',
  cursor: '#24292f',
  cursorAccent: '#fcfcfa',
  selectionBackground: '#bcd6f5',
  scrollbarSliderBackground: '#00000022',
  scrollbarSliderHoverBackground: '#0000003d',
  scrollbarSliderActiveBackground: '#00000052',
  black: '#24292f',
  red: '#b62324',
  green: '#2c7a2f',
  yellow: '#8a6100',
  blue: '#1a5fb4',
  magenta: '#8839a8',
  cyan: '#0f7681',
  white: '#6e7781',
  brightBlack: '#57606a',
  brightRed: '#cf3b3c',
  brightGreen: '#3a8f3d',
  brightYellow: '#a37500',
  brightBlue: '#2f7ad1',
  brightMagenta: '#a455c4',
  brightCyan: '#218b96',
  brightWhite: '#8c959f',
};

/** Colours of what a search has found. */
export function matchColours(theme: ITheme): NonNullable<ISearchOptions['decorations']> {
  const dark = theme === darkTheme;
  return {
    matchBackground: dark ? '#5c4a12' : '#ffe9a8',
    matchOverviewRuler: '#d9b25f',
    activeMatchBackground: dark ? '#a04a12' : '#ffb46b',
    activeMatchColorOverviewRuler: '#e5686b',
  };
}

const prefersDark = (): MediaQueryList => matchMedia('(prefers-color-scheme: dark)');

/** Colours the page and says which colours the terminal gets. */
export function applyTheme(choice: ThemeChoice): ITheme {
  const root = document.documentElement;
  if (choice === 'auto') delete root.dataset['theme'];
  else root.dataset['theme'] = choice;
  const dark = choice === 'auto' ? prefersDark().matches : choice === 'dark';
  return dark ? darkTheme : lightTheme;
}

/** Calls back when the system turns dark or light. */
export function onSystemTheme(changed: () => void): void {
  prefersDark().addEventListener('change', changed);
}
