//! Handlers of messages: a header and bytes in, a reply out.
//!
//! Reading order: [`MessageHandler`] is what to write, [`request`] helps to understand what came, [`Search`] and
//! [`EchoMessages`] are examples that are served.

mod echo;
pub mod request;
mod search;

pub use echo::EchoMessages;
pub use search::Search;

// What a handler needs to know of the wire's own vocabulary.
pub use anywire_codec::framed::{Code, Header, Limits, Reply};

/// An application that answers messages.
///
/// One value serves all connections, each from its worker's thread, one message of a connection after the other. It
/// must not wait: while it computes, the other connections of its worker stand still. If it panics, the connection
/// ends and the server goes on.
pub trait MessageHandler: Send + Sync + 'static {
    /// Answers a message. `content` has as many bytes as the header says, all of them: at most what the listener's limits
    /// allow, 1 MiB unless they say otherwise. For more there are sessions, and the codec's pieces (docs/framed.md).
    fn on_message(&self, header: &Header<'_>, content: &[u8]) -> Reply;
}

impl<F> MessageHandler for F
where
    F: Fn(&Header<'_>, &[u8]) -> Reply + Send + Sync + 'static,
{
    fn on_message(&self, header: &Header<'_>, content: &[u8]) -> Reply {
        self(header, content)
    }
}
