/** The messages of the native dialect `anywire.v1` (docs/protocol.md): values to frames and back, no I/O. */

export const SUBPROTOCOL = 'anywire.v1';
/** Most input bytes in one frame (docs/protocol.md, "From the client"). */
export const MAX_INPUT_FRAME = 64 * 1024;

const HEADER = 9;
const INPUT = 1;

export type Role = 'viewer' | 'writer' | 'owner';
export type Io = 'pty' | 'pipe' | 'handler';

/** A terminal's size in character cells. */
export interface Size {
  cols: number;
  rows: number;
}

export interface Hello {
  type: 'hello';
  session?: string;
  since?: number;
  cols?: number;
  rows?: number;
  role?: Role;
  client: string;
  window: number;
}

export interface Welcome extends Size {
  type: 'welcome';
  session: string;
  name: string;
  io: Io;
  role: Role;
  /** The log's end when the server answered: output before it is history. */
  head: number;
  /** Offset of the first byte or keyframe that follows. */
  from: number;
  /** Input bytes that the server has taken under our client name. */
  input: number;
  /** Bytes before `input` that may not have reached the program. */
  uncertain: number;
}

export type ServerMessage =
  | Welcome
  | ({ type: 'resize'; offset: number } & Size)
  | { type: 'gap'; from: number; to: number }
  | { type: 'input'; offset: number }
  | { type: 'pong'; id: number }
  | { type: 'exit'; code: number | null; message: string; offset: number }
  | { type: 'error'; code: string; message: string };

/** Bytes from the server with the absolute offset of the first one (or of what follows a keyframe). */
export interface ServerBytes {
  kind: 'output' | 'keyframe';
  offset: number;
  bytes: Uint8Array;
}

/** Something that does not follow docs/protocol.md. */
export class ProtocolError extends Error {}

/** An input frame: kind, offset of the first byte, bytes. */
export function encodeInput(offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER + bytes.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, INPUT);
  view.setBigUint64(1, BigInt(offset));
  frame.set(bytes, HEADER);
  return frame;
}

/** Reads a binary frame; null for a kind that this version does not know, which is to be ignored. */
export function decodeBytes(frame: ArrayBuffer): ServerBytes | null {
  if (frame.byteLength < HEADER) throw new ProtocolError('binary frame without an offset');
  const view = new DataView(frame);
  const kind = view.getUint8(0);
  if (kind < 1 || kind > 3) return null;
  return {
    kind: kind === 3 ? 'keyframe' : 'output',
    offset: count(Number(view.getBigUint64(1)), 'offset'),
    bytes: new Uint8Array(frame, HEADER),
  };
}

/** Reads a text frame; null for a type that this version does not know, which is to be ignored. */
export function decodeMessage(text: string): ServerMessage | null {
  const value: unknown = parse(text);
  if (typeof value !== 'object' || value === null) throw new ProtocolError('message is not an object');
  const m = value as Record<string, unknown>;
  switch (m['type']) {
    case 'welcome':
      return decodeWelcome(m);
    case 'resize':
      return { type: 'resize', ...size(m), offset: count(m['offset'], 'offset') };
    case 'gap':
      return { type: 'gap', from: count(m['from'], 'from'), to: count(m['to'], 'to') };
    case 'input':
      return { type: 'input', offset: count(m['offset'], 'offset') };
    case 'pong':
      return { type: 'pong', id: count(m['id'], 'id') };
    case 'exit':
      return {
        type: 'exit',
        code: typeof m['code'] === 'number' ? m['code'] : null,
        message: string(m['message'] ?? 'ended', 'message'),
        offset: count(m['offset'], 'offset'),
      };
    case 'error':
      return {
        type: 'error',
        code: string(m['code'], 'code'),
        message: string(m['message'] ?? '', 'message'),
      };
    default:
      return null;
  }
}

function decodeWelcome(m: Record<string, unknown>): Welcome {
  const session = string(m['session'], 'session');
  return {
    type: 'welcome',
    session,
    name: string(m['name'] ?? session, 'name'),
    io: oneOf(m['io'] ?? 'pty', ['pty', 'pipe', 'handler'], 'io'),
    role: oneOf(m['role'], ['viewer', 'writer', 'owner'], 'role'),
    ...size(m),
    head: count(m['head'], 'head'),
    from: count(m['from'], 'from'),
    input: count(m['input'] ?? 0, 'input'),
    uncertain: count(m['uncertain'] ?? 0, 'uncertain'),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('message is not JSON');
  }
}

function size(m: Record<string, unknown>): Size {
  return { cols: count(m['cols'], 'cols'), rows: count(m['rows'], 'rows') };
}

/** A count or an offset. Beyond 2^53 bytes it would no longer be exact. */
function count(value: unknown, key: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ProtocolError(`${key} is not a count`);
}

function string(value: unknown, key: string): string {
  if (typeof value === 'string') return value;
  throw new ProtocolError(`${key} is not a string`);
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], key: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new ProtocolError(`${key} is unknown`);
  return found;
}
