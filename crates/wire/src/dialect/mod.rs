//! What messages mean: each dialect turns messages into requests, and events of an attachment into messages.
//!
//! No dialect reads, writes or waits: the pump in `link` does, with one and the same code for all of them.

mod auto;
mod frames;
mod native;
mod raw;
mod tty;
mod xwterm;

pub(crate) use auto::Auto;
pub(crate) use frames::{Frames, Wrap};
pub(crate) use native::Native;
pub(crate) use raw::Raw;
pub(crate) use tty::Tty;
pub(crate) use xwterm::Xwterm;

use crate::metrics::Wire;
use anywire_codec::dialect::native::ErrorCode;
use anywire_model::{CloseReason, Intent, Offset, Role, Size, Stream};
use anywire_session::{Attachment, Lag, Refused};
use std::borrow::Cow;
use std::time::Duration;

/// A whole message from the client. A wire without messages delivers what it read as binary.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inbound<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
}

impl<'a> Inbound<'a> {
    /// The payload, for dialects that do not tell the two apart.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// What a message asks the pump to do.
pub(crate) enum Request<'a> {
    /// Attach to a session; the first of all requests, and said once.
    Open(Box<Open<'a>>),
    /// For the session.
    Intent(Intent<'a>),
    /// For the session: a size, and then input.
    Typed {
        size: Option<Size>,
        input: Cow<'a, [u8]>,
    },
    /// Answer with [`Event::Pong`].
    Ping(u64),
    /// Nothing, but [`Dialect::allowance`] may have changed.
    Noted,
    /// Tell the client and go on.
    Complain(Fault),
}

/// How a client wants to attach.
#[derive(Default)]
pub(crate) struct Open<'a> {
    /// Id or name; the listener decides without it.
    pub(crate) session: Option<String>,
    /// First output byte wanted.
    pub(crate) since: Option<Offset>,
    pub(crate) size: Option<Size>,
    /// The most that the client wants to be allowed.
    pub(crate) role: Option<Role>,
    /// What happens when it is slow; the service decides without it.
    pub(crate) lag: Option<Lag>,
    /// The name under which its input is counted.
    pub(crate) client: Option<u64>,
    /// Whether a terminal emulator is at the other end.
    pub(crate) answers: bool,
    /// The dialect that speaks from now on, if another one.
    pub(crate) dialect: Option<Box<dyn Dialect>>,
    /// Input that came in the same message.
    pub(crate) input: Cow<'a, [u8]>,
}

/// What a client did wrong, or what could not be done for it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What a client is told, besides output.
pub(crate) enum Event<'a> {
    /// It is attached.
    Welcome(&'a Attachment),
    /// The terminal has this size from here on.
    Resize {
        size: Size,
        offset: Offset,
    },
    /// The screen; output goes on at `offset`.
    Keyframe {
        offset: Offset,
        dump: &'a [u8],
    },
    /// Output that is gone.
    Gap {
        from: Offset,
        to: Offset,
    },
    /// So many bytes of its input were given to the program.
    InputTaken(u64),
    Pong(u64),
    /// An intent was not applied.
    Refused(Refused),
    /// Something was wrong; the connection goes on or not.
    Fault(&'a Fault),
    /// The attachment ended.
    Closed(&'a CloseReason),
}

/// One client's side of a conversation.
pub(crate) trait Dialect: Send + Sync {
    /// What metrics and logs call it.
    fn wire(&self) -> Wire {
        Wire::Other
    }

    /// How long the client may be silent before [`Dialect::silence`] decides.
    fn patience(&self) -> Duration;

    /// The client said nothing for [`Dialect::patience`].
    fn silence(&mut self) -> Result<Open<'static>, Fault>;

    /// A message from the client. An error ends the connection.
    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault>;

    /// Whether each message is input and nothing else, so that several may be given as one.
    fn is_bytes(&self) -> bool {
        false
    }

    /// Whether the client can tell standard error from output.
    fn tells_streams(&self) -> bool {
        false
    }

    /// How many output bytes may be sent now; 0 stops output until a message changes it.
    fn allowance(&self) -> usize {
        usize::MAX
    }

    /// Bytes that stand in front of each piece of output.
    fn prefix(&self) -> usize {
        0
    }

    /// Fills the prefix of `len` output bytes that start at `offset`.
    fn fill_prefix(&mut self, _prefix: &mut [u8], _stream: Stream, _offset: Offset, _len: usize) {}

    /// Whether output is another one's words, and not the program's bytes behind a prefix: then it goes through
    /// [`Dialect::output`].
    fn translates(&self) -> bool {
        false
    }

    /// Tells the client output, where [`Dialect::translates`].
    fn output(&mut self, _bytes: &[u8], _out: &mut Frames<'_>) {}

    /// Tells the client.
    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>);
}
