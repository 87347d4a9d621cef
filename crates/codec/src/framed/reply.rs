//! A message to be sent: content and what its header will say about it.

use super::{BINARY, Code, Error, Header, Id, JSON, UTF_8, content};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;

/// Bytes of a text from a peer that an error quotes.
const QUOTE: usize = 200;

/// An answer, or a request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The header's `content-type`.
    pub content_type: Cow<'static, str>,
    /// The header's `content-encoding`.
    pub content_encoding: Cow<'static, str>,
    /// The content.
    pub content: Vec<u8>,
    /// Whether the connection ends after it, whatever the client asked for.
    pub close: bool,
}

impl Reply {
    /// JSON.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        let mut content = Vec::new();
        if let Err(error) = content::write_json(value, &mut content) {
            return Self::error(Code::Internal, &format!("the answer is no JSON: {error}"));
        }
        Self {
            content_type: JSON.into(),
            content_encoding: UTF_8.into(),
            content,
            close: false,
        }
    }

    /// Bytes of some type.
    #[must_use]
    pub fn binary(content_type: impl Into<Cow<'static, str>>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: content_type.into(),
            content_encoding: BINARY.into(),
            content: content.into(),
            close: false,
        }
    }

    /// `{"result": text}`, as the original answers.
    #[must_use]
    pub fn result(text: &str) -> Self {
        Self::json(&json!({ "result": text }))
    }

    /// An error reply after which the connection ends. `result` is for clients that know nothing else.
    #[must_use]
    pub fn error(code: Code, message: &str) -> Self {
        Self {
            close: true,
            ..Self::refusal(code, message)
        }
    }

    /// An error reply after which the connection may go on: the message was understood, what it asks for cannot be.
    #[must_use]
    pub fn refusal(code: Code, message: &str) -> Self {
        Self::json(&json!({
            "error": { "code": code, "message": message },
            "result": format!("Error: {message}"),
        }))
    }

    /// Appends the whole message. The answer to a request carries its `id`, and says whether the connection goes on
    /// if the client asked for that.
    ///
    /// # Errors
    /// [`Error::HeaderTooLarge`] when the header does not fit; then nothing was appended.
    pub fn write(
        &self,
        keep_alive: bool,
        id: Option<Id<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (kind, encoding) = (&*self.content_type, &*self.content_encoding);
        let header = Header {
            keep_alive,
            id,
            ..Header::new(kind, encoding, self.content.len())
        };
        header.write(out)?;
        out.extend_from_slice(&self.content);
        Ok(())
    }
}

impl From<&Error> for Reply {
    fn from(error: &Error) -> Self {
        Self::error(error.code(), &quote(&error.to_string()))
    }
}

/// The beginning of a text that a peer chose, so that nothing oversize is sent back.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
