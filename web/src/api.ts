/** The HTTP API beside the WebSocket (docs/protocol.md, "HTTP beside it"). Addresses are relative to the page. */

import { KEY_HEADER, pageKey } from './key.js';
import type { Role, Size } from './protocol.js';
import { decodeServices, decodeSession, decodeSessions, type Service, type SessionInfo } from './sessions.js';
import { plain } from './text.js';

const DEADLINE = 15_000;

/** The server said no, or nothing (`status` 0). The message is for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }

  /** A server that does not know this address or method: an older one, or one with fewer features. */
  get unknown(): boolean {
    return this.status === 404 || this.status === 405;
  }
}

/** How the server lets people in. */
export interface LoginMethods {
  auth: boolean;
  methods: string[];
}

export async function listSessions(): Promise<SessionInfo[]> {
  return decodeSessions(await request('GET', 'api/sessions'));
}

export async function listServices(): Promise<Service[]> {
  return decodeServices(await request('GET', 'api/services'));
}

/** The id of a new session. */
export async function createSession(service: string | undefined, size: Size | undefined): Promise<string> {
  const made = await request('POST', 'api/sessions', { ...(service && { service }), ...size });
  const session = decodeSession(record(made));
  if (session === undefined) throw new ApiError(0, 'The server made a session without an id.');
  return session.id;
}

export async function renameSession(id: string, name: string): Promise<void> {
  await request('PATCH', path(id), { name });
}

export async function killSession(id: string): Promise<void> {
  await request('DELETE', path(id));
}

/** What this browser may do, as far as the server says. */
export async function myRole(): Promise<Role | undefined> {
  const { role } = record(await request('GET', 'api/me'));
  return role === 'viewer' || role === 'writer' || role === 'owner' ? role : undefined;
}

/** Servers that do not say know codes only. */
export async function loginMethods(): Promise<LoginMethods> {
  try {
    const { auth, methods } = record(await request('GET', 'api/login'));
    const names = Array.isArray(methods) ? methods.filter((name) => typeof name === 'string') : [];
    return { auth: auth !== false, methods: names.length > 0 ? names : ['code'] };
  } catch {
    return { auth: true, methods: ['code'] };
  }
}

export async function logout(): Promise<void> {
  await request('POST', 'api/logout', {});
}

function path(id: string): string {
  return `api/sessions/${encodeURIComponent(id)}`;
}

async function request(method: string, url: string, body?: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      cache: 'no-store',
      signal: AbortSignal.timeout(DEADLINE),
      headers: { [KEY_HEADER]: pageKey(), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, 'The server does not answer.');
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { detail, title } = record(answer);
  const why = [detail, title].find((text) => typeof text === 'string');
  throw new ApiError(response.status, plain(why ?? `The server answered ${response.status}.`));
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
