/** What the server says of sessions and services, read with care; and how it is said to people. */

import { plain } from './text.js';

/** Most rows that the list shows. */
const MAX_SESSIONS = 500;

export interface SessionInfo {
  id: string;
  name: string;
  service: string;
  /** Title that the program has given itself. */
  title: string;
  /** Milliseconds. */
  age: number;
  attachments: number;
  ended: boolean;
}

export interface Service {
  name: string;
  standard: boolean;
}

/** Reads `GET /api/sessions`: what runs first, then the youngest first. */
export function decodeSessions(value: unknown): SessionInfo[] {
  const sessions = objects(value).flatMap((s) => decodeSession(s) ?? []);
  sessions.sort((a, b) => Number(a.ended) - Number(b.ended) || a.age - b.age);
  return sessions.slice(0, MAX_SESSIONS);
}

/** Undefined: this is no session. */
export function decodeSession(value: Record<string, unknown>): SessionInfo | undefined {
  const id = value['id'];
  if (typeof id !== 'string' || id === '') return undefined;
  return {
    id,
    name: text(value['name']) || id.slice(0, 8),
    service: text(value['service']),
    title: text(value['title']),
    age: count(value['age_ms']),
    attachments: count(value['attachments']),
    ended: value['exit'] !== null && value['exit'] !== undefined,
  };
}

/** Reads `GET /api/services`. */
export function decodeServices(value: unknown): Service[] {
  return objects(value).flatMap((s) => {
    const name = s['name'];
    return typeof name === 'string' ? [{ name, standard: s['default'] === true }] : [];
  });
}

/** The line below a session's name. */
export function describe(session: SessionInfo): string {
  const life = session.ended
    ? 'ended'
    : session.attachments > 0
      ? `${session.attachments} attached`
      : 'detached';
  const service = session.service === session.name ? '' : session.service;
  return [life, duration(session.age), service].filter(Boolean).join(' · ');
}

/** Milliseconds as people say them, in one unit. */
export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function objects(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item) => typeof item === 'object' && item !== null);
}

function text(value: unknown): string {
  return typeof value === 'string' ? plain(value) : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}
