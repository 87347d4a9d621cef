/** Turns what somebody knows (a code, a ticket, a password, a token) into this browser's cookie, good beside its key. */

import type { Probe } from './connection.js';
import { KEY_HEADER, pageKey } from './key.js';

export type Credential =
  { code: string } | { ticket: string } | { user: string; password: string } | { token: string };

export type LoginResult = { kind: 'ok' | 'wrong' | 'unreachable' } | { kind: 'wait'; seconds: number };

/** A start code as the server knows it: people type it in lower case, in groups, with dashes. */
export function normaliseCode(text: string): string {
  return text.replace(/[\s-]/g, '').toUpperCase();
}

export async function login(credential: Credential): Promise<LoginResult> {
  let response: Response;
  try {
    response = await fetch('api/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...credential, key: pageKey() }),
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

/** Uses the credential of the address, if there is one. Undefined: nothing to complain about. */
export async function useCredential(code?: string, ticket?: string): Promise<LoginResult | undefined> {
  if (code === undefined && ticket === undefined) return undefined;
  const result = await login(ticket === undefined ? { code: normaliseCode(code ?? '') } : { ticket });
  // An old link in a browser that is logged in is no reason to ask.
  if (result.kind === 'ok' || (result.kind === 'wrong' && (await probe()) === 'ok')) return undefined;
  return result;
}

/** Would the server let us in? */
export async function probe(): Promise<Probe> {
  try {
    const { status } = await fetch('api/sessions', {
      cache: 'no-store',
      headers: { [KEY_HEADER]: pageKey() },
    });
    if (status === 401) return 'unauthorized';
    return status === 403 || status === 421 ? 'forbidden' : 'ok';
  } catch {
    return 'unreachable';
  }
}
