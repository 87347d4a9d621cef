/** Puts the page together: login, terminal, session, list of sessions, search, keys. */

import { ApiError, createSession, loginMethods, logout, myRole, type LoginMethods } from './api.js';
import { ask } from './ask.js';
import { copyText, decodeOsc52 } from './clipboard.js';
import { useCredential, type LoginResult } from './credential.js';
import { byId, part } from './dom.js';
import { Drawer } from './drawer.js';
import { onWake } from './environment.js';
import { FindBar } from './find.js';
import { readFragment } from './fragment.js';
import { KeyBar } from './keys.js';
import { linkHandler } from './links.js';
import { LoginForm } from './login.js';
import { Options } from './options.js';
import type { Role, Welcome } from './protocol.js';
import { readSettings, writeSettings } from './settings.js';
import { runCommand, type Command } from './shortcuts.js';
import { StatusBar } from './status.js';
import { TerminalView } from './terminal.js';
import { plain } from './text.js';
import { applyTheme, matchColours, onSystemTheme } from './theme.js';
import { followViewport } from './viewport.js';
import { setAddress, Visit } from './visit.js';

const fragment = readFragment(location.hash);
const store = (): Storage => localStorage;
const settings = readSettings(store);
const touch = matchMedia('(pointer: coarse)');
/** What this browser may do and how it came in, asked once. */
let me: Promise<Role | undefined> | undefined;
let methods: Promise<LoginMethods> | undefined;

const status = new StatusBar(byId('status'), () => void newSession(undefined));
const keys = new KeyBar(byId('keys'), {
  send: (text) => terminal.send(text),
  applicationKeys: () => terminal.xterm.modes.applicationCursorKeysMode,
});
const links = linkHandler({
  open: (address) => window.open(address, '_blank', 'noopener,noreferrer'),
  touch: () => touch.matches,
  ask: async (address) =>
    (await ask({ title: 'Open this address?', detail: address, yes: 'Open' })) !== undefined,
  tell: (text) => status.notice(text),
  modifier: navigator.platform.startsWith('Mac') ? 'Command' : 'Ctrl',
});
const terminal: TerminalView = new TerminalView(
  byId('terminal'),
  {
    scrollback: fragment.scrollback,
    fontSize: matchMedia('(max-width: 560px)').matches ? 12 : 14,
    theme: applyTheme(settings.theme),
    links,
  },
  {
    input: (bytes) => visit.type(bytes),
    windowSize: (size) => visit.announceWindow(size),
    sessionSize: (size) => status.size(size),
    title: (title) => visit.title(title),
    clipboard: (data) => void programCopies(data),
    found: (index, count) => find.results(index, count),
    broken: () => visit.repair(),
    typed: (text) => keys.typed(text),
    shortcut: (event) => runCommand(event, run),
  },
);
const visit: Visit = new Visit(terminal, status, {
  state: ({ kind }) => {
    if (kind === 'unauthorized') void showLogin();
  },
  attached: (welcome) => void attached(welcome),
});
const find: FindBar = new FindBar(byId('find'), {
  search: () => terminal.search,
  clearSelection: () => terminal.xterm.clearSelection(),
  colours: () => matchColours(terminal.xterm.options.theme ?? {}),
  closed: () => terminal.focus(),
});
const drawer = new Drawer(byId('drawer'), part(byId('status'), '[data-part=menu]'), {
  choose: (id) => choose(id),
  create: (service) => newSession(service),
  named: (name) => visit.rename(name),
  closed: () => terminal.focus(),
});
const options = new Options(byId('drawer'), settings, fragment.view, {
  changed: (changed) => {
    writeSettings(store, changed);
    terminal.setTheme(applyTheme(changed.theme));
  },
  watch: (only) => {
    watchOnly(only);
    attach(visit.session || undefined);
  },
  logout: () => void leave(),
});
const form = new LoginForm(byId('login'), () => visit.start());

function attach(session: string | undefined): void {
  find.close();
  visit.prepare(session, fragment.view);
  visit.start();
}

function watchOnly(only: boolean): void {
  fragment.view = only;
  options.watch = only;
  setAddress({ view: only });
}

/** Somebody picked a session. */
function choose(id: string): void {
  if (id !== visit.session) {
    setAddress({ session: id }, true);
    attach(id);
  }
  // Where the list lies over the terminal it has done its work.
  if (matchMedia('(max-width: 899px)').matches) drawer.close();
  terminal.focus();
}

async function newSession(service: string | undefined): Promise<void> {
  try {
    const id = await createSession(service, terminal.windowSize);
    watchOnly(false);
    choose(id);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!error.unknown) return status.notice(error.message);
    // Who says hello without a session gets what the listener gives, a new one by default.
    setAddress({ session: null }, true);
    attach(undefined);
  }
}

async function attached(welcome: Welcome): Promise<void> {
  showKeys(welcome.role === 'viewer');
  me ??= myRole().catch(() => undefined);
  methods ??= loginMethods();
  const role = (await me) ?? (fragment.view ? 'owner' : welcome.role);
  drawer.current(visit.session, role);
  options.mayLogOut((await methods).auth);
}

/** Who only watches has no use for keys. */
function showKeys(viewer: boolean): void {
  byId('keys').hidden = viewer || !touch.matches;
}

async function showLogin(result?: LoginResult): Promise<void> {
  status.state({ kind: 'unauthorized' });
  const offered = await loginMethods();
  if (!form.open) form.show(offered, result);
}

async function leave(): Promise<void> {
  await logout().catch(() => undefined);
  location.reload();
}

async function copy(): Promise<void> {
  const { text, selected } = terminal.text();
  const done = await copyText(text);
  const what = selected ? 'the selection' : 'the screen';
  status.notice(done ? `Copied ${what}.` : 'The browser does not let this page copy.');
  terminal.focus();
}

/** A program asks for the clipboard: only to set it, only with permission, only while somebody looks. */
async function programCopies(data: string): Promise<void> {
  const text = decodeOsc52(data);
  if (text === undefined || !document.hasFocus()) return;
  if (!settings.clipboard) {
    status.notice('The program wants to set the clipboard. It may when you allow it beside the sessions.');
    return;
  }
  const done = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  if (done) status.notice(`The program has set the clipboard: ${plain(text).slice(0, 40)}`);
}

function run(command: Command): void {
  if (command === 'find') find.open();
  if (command === 'copy') void copy();
  if (command === 'sessions') drawer.toggle();
}

/** Somebody changed the address: another session is attached to, anything else starts over. */
function addressChanged(): void {
  const now = readFragment(location.hash);
  const same = now.view === fragment.view && now.scrollback === fragment.scrollback;
  if (now.code || now.ticket || !same || now.session === undefined) location.reload();
  else if (now.session !== visit.session) attach(now.session);
}

async function main(): Promise<void> {
  setAddress({});
  followViewport();
  touch.addEventListener('change', () => showKeys(fragment.view));
  onSystemTheme(() => terminal.setTheme(applyTheme(settings.theme)));
  onWake(() => visit.connection?.nudge());
  addEventListener('hashchange', addressChanged);
  addEventListener('keydown', (event) => {
    if (!event.defaultPrevented) runCommand(event, run);
  });
  part(byId('status'), '[data-part=find]').addEventListener('click', () => find.open());
  part(byId('status'), '[data-part=copy]').addEventListener('click', () => void copy());
  if (fragment.test) exposeForTests();

  visit.prepare(fragment.session, fragment.view);
  const refused = await useCredential(fragment.code, fragment.ticket);
  if (refused !== undefined) await showLogin(refused);
  else visit.start();
}

function exposeForTests(): void {
  const anywire = {
    get terminal() {
      return terminal.xterm;
    },
    get connection() {
      return visit.connection;
    },
  };
  Object.assign(globalThis, { anywire });
}

void main();
