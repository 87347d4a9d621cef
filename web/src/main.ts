/** Puts the page together: fragment, login, terminal, connection, status bar. */

import { Connection, type Environment } from './connection.js';
import { readFragment, writeFragment } from './fragment.js';
import { login, LoginForm, normaliseCode, probe, type LoginResult } from './login.js';
import { SUBPROTOCOL } from './protocol.js';
import { StatusBar } from './status.js';
import { TerminalView } from './terminal.js';
import { plain } from './text.js';

const PRODUCT = 'anywire';

function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html lacks #${id}`);
  return element as T;
}

function setFragment(session?: string | null): void {
  const url = new URL(location.href);
  url.hash = writeFragment(location.hash, session);
  history.replaceState(null, '', url);
}

function clientName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const environment: Environment = {
  openSocket() {
    // Relative to the page, so that it works under any base path.
    const url = new URL('ws', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    return new WebSocket(url, SUBPROTOCOL);
  },
  probe,
  clientName,
  visible: () => document.visibilityState === 'visible',
  random: Math.random,
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Uses the credential of the address, if there is one. Undefined: nothing to complain about. */
async function useCredential(code?: string, ticket?: string): Promise<LoginResult | undefined> {
  if (code === undefined && ticket === undefined) return undefined;
  const result = await login(ticket === undefined ? { code: normaliseCode(code ?? '') } : { ticket });
  // An old link in a browser that is logged in is no reason to ask.
  if (result.kind === 'ok' || (result.kind === 'wrong' && (await probe()) === 'ok')) return undefined;
  return result;
}

async function main(): Promise<void> {
  const fragment = readFragment(location.hash);
  setFragment();

  const status = new StatusBar(byId('status'), () => {
    setFragment(null);
    location.reload();
  });
  const terminal = new TerminalView(byId('terminal'), fragment.scrollback, {
    input: (bytes) => connection.type(bytes),
    windowSize: (size) => {
      if (connection.attached) connection.resizeWindow(size);
      else announceWindow();
    },
    sessionSize: (size) => status.size(size),
    title: (title) => (document.title = [plain(title), PRODUCT].filter(Boolean).join(' - ')),
  });
  const connection = new Connection(
    environment,
    {
      state: (state) => {
        status.state(state);
        if (state.kind === 'unauthorized') form.show();
      },
      welcome: (welcome) => {
        const viewOnly = fragment.view || welcome.role === 'viewer';
        setFragment(welcome.session);
        status.session(plain(welcome.name), viewOnly);
        terminal.setIo(welcome.io);
        terminal.setReadOnly(viewOnly);
        terminal.resize(welcome);
      },
      output: (bytes, next, old) => terminal.write(bytes, old, () => connection.digested(next)),
      keyframe: (bytes, next) => terminal.keyframe(bytes, () => connection.digested(next)),
      resize: (size) => terminal.resize(size),
      latency: (milliseconds) => status.latency(milliseconds),
      notice: (text) => status.notice(plain(text)),
    },
    {
      ...(fragment.session !== undefined && { session: fragment.session }),
      ...(fragment.view && { role: 'viewer' as const }),
    },
  );
  const form = new LoginForm(byId<HTMLFormElement>('login'), () => {
    connection.start();
    terminal.focus();
  });

  function announceWindow(): void {
    const size = terminal.windowSize;
    if (size === undefined) return;
    connection.resizeWindow(size);
    // Until a session says otherwise the window's size is the terminal's.
    if (connection.next === 0) terminal.resize(size);
  }

  wake(() => connection.nudge());
  if (fragment.test) Object.assign(globalThis, { [PRODUCT]: { terminal: terminal.xterm, connection } });

  announceWindow();
  const refused = await useCredential(fragment.code, fragment.ticket);
  if (refused !== undefined) {
    status.state({ kind: 'unauthorized' });
    form.show(refused);
    return;
  }
  terminal.focus();
  connection.start();
}

/** Moments at which a lost connection may have become possible again. */
function wake(nudge: () => void): void {
  addEventListener('online', nudge);
  addEventListener('pageshow', nudge);
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') nudge();
  });
  // Somebody put another address into the same tab: start over with it.
  addEventListener('hashchange', () => location.reload());
}

void main();
