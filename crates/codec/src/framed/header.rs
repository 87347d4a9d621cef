//! The header of a message: what it says about the content, and how it is written.

use super::{Error, JSON, MAX_HEADER, PREFIX};
use std::borrow::Cow;
use std::io::Write as _;

/// Bytes of an `id`, so that an answer with it always has a header that fits.
pub(super) const MAX_ID: usize = 256;

/// The order of bytes on the sender's machine. Says nothing about the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "little") {
        Self::Little
    } else {
        Self::Big
    };
}

/// What a client calls a request, to know its answer by: at most 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id<'a> {
    /// A non-negative integer.
    Number(u64),
    /// A text.
    Text(Cow<'a, str>),
}

impl Id<'_> {
    /// The same, for as long as one likes.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        match self {
            Self::Number(number) => Id::Number(number),
            Self::Text(text) => Id::Text(text.into_owned().into()),
        }
    }
}

/// What a message says about its content. The four keys of the original are `byteorder`, `content-length`,
/// `content-type` and `content-encoding`; others that are not known are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `byteorder`: may be missing.
    pub byteorder: Option<ByteOrder>,
    /// `content-length`: bytes of content.
    pub content_length: u64,
    /// `content-type`: [`JSON`], or anything else.
    pub content_type: Cow<'a, str>,
    /// `content-encoding`: of text, the name of its encoding.
    pub content_encoding: Cow<'a, str>,
    /// `keep-alive`: the connection goes on after the answer.
    pub keep_alive: bool,
    /// `id`: comes back with the answer.
    pub id: Option<Id<'a>>,
}

impl<'a> Header<'a> {
    /// A header of this machine, without the optional keys.
    #[must_use]
    pub fn new(
        content_type: impl Into<Cow<'a, str>>,
        content_encoding: impl Into<Cow<'a, str>>,
        content_length: usize,
    ) -> Self {
        Self {
            byteorder: Some(ByteOrder::NATIVE),
            content_length: content_length as u64,
            content_type: content_type.into(),
            content_encoding: content_encoding.into(),
            keep_alive: false,
            id: None,
        }
    }

    /// Whether the content is JSON: the type is compared without its parameters and without regard to case.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let essence = self.content_type.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(JSON)
    }

    /// Appends the length, the header, and nothing of the content, which the caller appends or streams.
    ///
    /// The keys come in the order of the original, with its separators.
    ///
    /// # Errors
    /// [`Error::HeaderTooLarge`] when two bytes cannot say how long it is; then nothing was appended.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        out.push(b'{');
        if let Some(order) = self.byteorder {
            out.extend_from_slice(match order {
                ByteOrder::Little => br#""byteorder": "little", "#,
                ByteOrder::Big => br#""byteorder": "big", "#,
            });
        }
        out.extend_from_slice(br#""content-type": "#);
        string(&self.content_type, out);
        out.extend_from_slice(br#", "content-encoding": "#);
        string(&self.content_encoding, out);
        number(br#", "content-length": "#, self.content_length, out);
        if self.keep_alive {
            out.extend_from_slice(br#", "keep-alive": true"#);
        }
        match &self.id {
            None => {}
            Some(Id::Number(id)) => number(br#", "id": "#, *id, out),
            Some(Id::Text(id)) => {
                out.extend_from_slice(br#", "id": "#);
                string(id, out);
            }
        }
        out.push(b'}');
        let len = out.len() - start - PREFIX;
        let Ok(prefix) = u16::try_from(len) else {
            out.truncate(start);
            return Err(Error::HeaderTooLarge {
                got: len,
                max: MAX_HEADER,
            });
        };
        out[start..start + PREFIX].copy_from_slice(&prefix.to_be_bytes());
        Ok(())
    }
}

fn number(key: &[u8], value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    write!(out, "{value}").expect("memory takes every byte");
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text is always JSON");
}
