//! What a client says.

use super::{DecodeError, HEADER, MAX_INPUT, OUT, bounded, header, split};
use anywire_model::{Offset, Role, Signal, Size};
use serde::{Deserialize, Serialize};

/// The first message: which session, from where, as whom. Every key is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Id or name of the session; the listener decides without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Offset of the first output byte wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Offset>,
    /// Columns of the client's window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cols: Option<u64>,
    /// Rows of the client's window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The most that the client wants to be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The name under which the server counts this client's input.
    #[serde(skip_serializing_if = "Option::is_none", with = "client_name")]
    pub client: Option<u64>,
    /// Output bytes that may be on the way beyond the last `ack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// What happens when the client does not keep up; the service decides without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
}

/// What happens to a client that does not keep up with the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lag {
    /// It gets a keyframe, or a gap on pipes, and never slows the program.
    Resync,
    /// It goes on at the oldest byte kept, behind a gap.
    Drop,
    /// It is closed with `too-slow`.
    Disconnect,
}

impl Hello {
    /// The client's window: `None` if it names none or an impossible one (a hidden page has no size yet).
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        Size::checked(self.cols?, self.rows?)
    }
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client<'a> {
    /// The first message.
    Hello(Box<Hello>),
    /// Bytes for the program.
    Input {
        /// Position of the first byte in all of this client's input.
        offset: u64,
        /// At most [`MAX_INPUT`] bytes.
        bytes: &'a [u8],
    },
    /// The client's window has this size.
    Resize(Size),
    /// A signal to the foreground programs.
    Signal(Signal),
    /// No more input.
    Eof,
    /// End the session.
    Kill,
    /// Output before this offset was digested.
    Ack(Offset),
    /// To be answered with a `pong` of the same number.
    Ping(u64),
}

/// The text messages as JSON has them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Text {
    Hello(Box<Hello>),
    Resize {
        cols: u64,
        rows: u64,
    },
    Signal {
        signal: Signal,
    },
    Eof,
    Kill,
    Ack {
        offset: Offset,
    },
    Ping {
        id: u64,
    },
    #[serde(other)]
    Unknown,
}

impl<'a> Client<'a> {
    /// Reads a text message.
    ///
    /// # Errors
    /// [`DecodeError`]; the connection may go on after one that is not fatal.
    pub fn decode_text(text: &[u8]) -> Result<Client<'static>, DecodeError> {
        Ok(match serde_json::from_slice(bounded(text)?)? {
            Text::Hello(hello) => Client::Hello(hello),
            Text::Resize { cols, rows } => {
                Client::Resize(Size::checked(cols, rows).ok_or(DecodeError::Size)?)
            }
            Text::Signal { signal } => Client::Signal(signal),
            Text::Eof => Client::Eof,
            Text::Kill => Client::Kill,
            Text::Ack { offset } => Client::Ack(offset),
            Text::Ping { id } => Client::Ping(id),
            Text::Unknown => return Err(DecodeError::UnknownType),
        })
    }

    /// Reads a binary message: input.
    ///
    /// # Errors
    /// [`DecodeError`], always fatal.
    pub fn decode_binary(message: &'a [u8]) -> Result<Client<'a>, DecodeError> {
        let (kind, offset, bytes) = split(message)?;
        if kind != OUT {
            return Err(DecodeError::UnknownKind(kind));
        }
        if bytes.len() > MAX_INPUT {
            return Err(DecodeError::TooLarge { max: MAX_INPUT });
        }
        Ok(Client::Input { offset, bytes })
    }

    /// Appends the message's payload to `out`; true if it belongs into a binary message.
    pub fn encode(&self, out: &mut Vec<u8>) -> bool {
        let text = match self {
            Self::Input { offset, bytes } => {
                out.extend_from_slice(&input_header(*offset));
                out.extend_from_slice(bytes);
                return true;
            }
            Self::Hello(hello) => Text::Hello(hello.clone()),
            Self::Resize(size) => Text::Resize {
                cols: size.cols.into(),
                rows: size.rows.into(),
            },
            Self::Signal(signal) => Text::Signal { signal: *signal },
            Self::Eof => Text::Eof,
            Self::Kill => Text::Kill,
            Self::Ack(offset) => Text::Ack { offset: *offset },
            Self::Ping(id) => Text::Ping { id: *id },
        };
        serde_json::to_writer(out, &text).expect("numbers and strings are always JSON");
        false
    }
}

/// The header of an input message whose first byte is number `offset` of the client's input.
#[must_use]
pub fn input_header(offset: u64) -> [u8; HEADER] {
    header(OUT, offset)
}

/// A client's name: 16 hexadecimal digits in JSON, because its numbers have only 53 bits.
mod client_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        name: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match name {
            Some(name) => serializer.collect_str(&format_args!("{name:016x}")),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(D::Error::custom("a client name is 16 hexadecimal digits"));
        }
        u64::from_str_radix(&text, 16)
            .map(Some)
            .map_err(D::Error::custom)
    }
}
