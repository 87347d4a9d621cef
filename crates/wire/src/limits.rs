//! Every limit and time-out of the wires in one place.

use std::time::Duration;

/// The most connections that a listener holds at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 65_536;

/// Connections that a listener holds at the same time: at most half of what this process may have open, so that
/// strangers cannot use up the descriptors that sessions need.
pub(crate) fn connections() -> usize {
    let (most, _) = descriptors();
    CONNECTIONS.min((most / 2).max(16))
}

/// The descriptors that this process may have open, and how many of them connections leave to the sessions, however
/// many listeners there are.
pub(crate) fn descriptors() -> (usize, usize) {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = most
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(usize::MAX);
    (most, (most / 8).min(1024))
}

/// How long open connections may take to end when the server stops.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(5);
/// From the connection to the end of the TLS handshake, and from there to the end of a request's header.
pub(crate) const HEADER: Duration = Duration::from_secs(10);
/// Bytes of a request's header.
pub(crate) const HEADER_BYTES: usize = 16 * 1024;
/// Bytes of a request's body.
pub(crate) const BODY_BYTES: usize = 4 * 1024;
/// From the header of a request to the end of its body.
pub(crate) const BODY: Duration = Duration::from_secs(10);
/// How long a client that asked over HTTP may take nothing of the answer.
pub(crate) const WRITE: Duration = Duration::from_secs(30);
/// To show by the first bytes what is spoken, where several things may be.
pub(crate) const FIRST_BYTES: Duration = Duration::from_secs(10);
/// Bytes of input in one request.
pub(crate) const INPUT_BYTES: usize = 1024 * 1024;
/// How long a request with input may take: the body to come, and the program to take it.
pub(crate) const INPUT: Duration = Duration::from_secs(10);
/// How long a body of any length may stand still.
pub(crate) const BODY_STUCK: Duration = Duration::from_secs(30);
/// How long a program may take none of the input of a client that waits for it.
pub(crate) const INPUT_STUCK: Duration = Duration::from_secs(60);
/// How long a screen may take to be drawn.
pub(crate) const SCREEN: Duration = Duration::from_secs(10);
/// Seconds after which who was told that something is busy may try again.
pub(crate) const RETRY_AFTER: u32 = 5;
/// From the upgrade to the first message, in dialects that need one.
pub(crate) const HELLO: Duration = Duration::from_secs(5);
/// How long a WebSocket without a subprotocol may stay silent before it is taken for one that only listens.
pub(crate) const UNDECIDED: Duration = Duration::from_millis(500);
/// How long a client of xwterm's dialect may take to say how large its window is, before its shell is started.
pub(crate) const FIRST_SIZE: Duration = Duration::from_millis(300);
/// Between two pings on a WebSocket.
pub(crate) const PING: Duration = Duration::from_secs(25);
/// Pings without any sign of life after which a peer is dead.
pub(crate) const PING_MISSES: u8 = 2;
/// How long the kernel lets a raw connection be silent before it looks whether the peer is there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Between two such looks; after nine without an answer the peer is gone.
pub(crate) const KEEP_ALIVE_PROBE: Duration = Duration::from_secs(10);
/// Bytes of a WebSocket message.
pub(crate) const MESSAGE: usize = 1024 * 1024;
/// The same of a client that may not write, and in a dialect whose messages are shorter anyway: what has come of a
/// message is kept until the rest comes.
pub(crate) const SHORT_MESSAGE: usize = 128 * 1024;
/// Output bytes that are asked for at once: with a dialect's prefix they still fit a short frame header.
pub(crate) const CHUNK: usize = 64 * 1024 - 64;
/// Output bytes of one turn, before others get theirs.
pub(crate) const TURN: usize = 128 * 1024;
/// Bytes that wait for a slow peer, beyond which nothing more is read from it.
pub(crate) const OUTBOX: usize = 64 * 1024;
/// Bytes that are read at once.
pub(crate) const READ: usize = 64 * 1024;
/// How long a peer may take nothing of what it is told last.
pub(crate) const FLUSH: Duration = Duration::from_secs(60);
/// How long the system of a telnet client that ended its side may take to say that nobody is there any more.
pub(crate) const ANSWER: Duration = Duration::from_millis(500);
/// How long a peer may keep its side open after ours is closed.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How long output flows to a raw client that has ended its input in a session that goes on without it, unless the
/// listener says otherwise.
pub(crate) const LINGER_SHARED: Duration = Duration::from_secs(5);
/// Clients of framed messages that may linger so at the same time, over all listeners.
pub(crate) const LEAVING: usize = 256;
/// The same for a client that was turned away.
pub(crate) const LINGER_REFUSED: Duration = Duration::from_secs(1);
/// The same when the server stops.
pub(crate) const LINGER_SHUTDOWN: Duration = Duration::from_secs(1);
/// To type a line of the login.
pub(crate) const PROMPT: Duration = Duration::from_secs(30);
/// Bytes of a line of the login: a password, a token.
pub(crate) const PROMPT_LINE: usize = 128;
/// Bytes of a line in the menu of sessions.
pub(crate) const MENU_LINE: usize = 256;
/// To choose in it.
pub(crate) const MENU: Duration = Duration::from_secs(300);
/// Lines that may be typed in it.
pub(crate) const MENU_LINES: u32 = 1000;
/// Tries on one connection.
pub(crate) const PROMPT_TRIES: u32 = 3;
/// How long a password may wait to be checked.
pub(crate) const PASSWORD: Duration = Duration::from_secs(10);
/// How often output is looked for while a program does not take its input.
pub(crate) const BLOCKED_TICK: Duration = Duration::from_millis(20);
