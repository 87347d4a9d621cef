//! What answers messages, as a connection sees it.

use crate::link::Visitor;
use anywire_codec::framed::{Header, Reply};
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;

/// An application that answers messages.
pub trait Service: fmt::Debug + Send + Sync {
    /// A client was let in: what answers its messages, for as long as its connection lasts.
    fn begin(&self, caller: Caller) -> Box<dyn Conversation>;
}

/// One client's side of an application.
pub trait Conversation: Send {
    /// Answers a message. The next one is shown when this one's answer was given.
    fn answer<'a>(&'a mut self, header: &'a Header<'a>, content: &'a [u8]) -> Answer<'a>;
}

/// An answer, now or later.
pub enum Answer<'a> {
    /// Here it is.
    Now(Reply),
    /// It has to be waited for; dropped when the connection ends or [`super::Deadlines::answer`] has passed.
    Later(Pin<Box<dyn Future<Output = Reply> + Send + 'a>>),
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(reply) => f.debug_tuple("Now").field(reply).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Who sends messages.
pub struct Caller(pub(super) Visitor);

impl Caller {
    /// Its address; `None` for a process of this machine.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.peer.address()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.0.peer).finish()
    }
}
