//! What comes in goes out, with its type and its encoding.

use super::MessageHandler;
use anywire_codec::framed::{Header, Reply};
use std::borrow::Cow;

/// Answers each message with itself. The content is not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoMessages;

impl MessageHandler for EchoMessages {
    fn on_message(&self, header: &Header<'_>, content: &[u8]) -> Reply {
        Reply {
            content_type: known(&header.content_type),
            content_encoding: known(&header.content_encoding),
            content: content.to_vec(),
            close: false,
        }
    }
}

/// Names that most messages have cost no memory of their own.
fn known(name: &str) -> Cow<'static, str> {
    use anywire_codec::framed::{BINARY, JSON, UTF_8};
    let known = [JSON, UTF_8, BINARY];
    match known.into_iter().find(|known| *known == name) {
        Some(known) => known.into(),
        None => name.to_owned().into(),
    }
}
