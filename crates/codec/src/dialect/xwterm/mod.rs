//! The protocol of xwterm's sample server (version 1.9), over WebSocket and over HTTP polling alike.
//!
//! What a client sends is one unit: an object with `text` or `size`, and everything else is keys that were pressed
//! ([`Unit`]). What it is sent is an object with `text` ([`print_text`]). Ids and sizes come in addresses.

mod id;
mod output;
mod query;

pub use id::{cookie_value, random_id, read_cookie};
pub use output::print_text;
pub use query::{Query, decode};

use anywire_model::Size;
use serde::Deserialize;
use serde::de::{self, IgnoredAny, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The longest unit, in bytes, that is looked at as JSON; what is longer is keys.
pub const MAX_JSON: usize = 1024 * 1024;
/// Empties a client's terminal so that a screen can be drawn on it, whatever sequence it is in the middle of: its parser
/// leaves a title only at a CAN, and does not redraw what it resets.
pub const RESET: &[u8] = b"\x18\x1bc\x1b[H\x1b[2J";
/// The longest id of a client's own, in bytes.
pub const MAX_ID: usize = 128;

/// What a client has sent: one message of a WebSocket, or one body of a POST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The window's size, to be applied before the text. A size that no terminal can have is as none.
    pub size: Option<Size>,
    /// Bytes for the program.
    pub text: Cow<'a, [u8]>,
}

impl<'a> Unit<'a> {
    /// Reads a unit. Nothing is an error: what is no envelope is text.
    ///
    /// An object without a `text` or a `size` that is a string was typed or pasted by somebody. Half a surrogate pair
    /// becomes U+FFFD.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Self {
        Self::envelope(bytes).unwrap_or(Self {
            size: None,
            text: Cow::Borrowed(bytes),
        })
    }

    fn envelope(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MAX_JSON || !looks_like_object(bytes) {
            return None;
        }
        serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
        let text = serde_json::from_slice::<WithText<'_>>(bytes).ok();
        let size = serde_json::from_slice::<WithSize<'_>>(bytes).ok();
        if text.is_none() && size.is_none() {
            return None;
        }
        Some(Self {
            size: size.and_then(|with| read_size(&with.size)),
            text: text.map(|with| with.text.0).unwrap_or_default(),
        })
    }
}

/// Whether a unit that begins so may be an object.
#[must_use]
pub fn looks_like_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

#[derive(Deserialize)]
struct WithText<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Deserialize)]
struct WithSize<'a> {
    #[serde(borrow)]
    size: Cow<'a, str>,
}

/// A string that may hold half a surrogate pair, as UTF-8.
struct Text<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBytes;

        impl<'de> Visitor<'de> for AsBytes {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(whole(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(whole(bytes).into_owned())))
            }
        }

        deserializer.deserialize_bytes(AsBytes)
    }
}

/// UTF-8 with U+FFFD for what is none.
fn whole(bytes: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Reads `LINESxCOLUMNS`; a third part is ignored. `None` for everything else, and for what no terminal can have.
#[must_use]
pub fn read_size(text: &str) -> Option<Size> {
    let mut parts = text.split('x');
    let mut number = || {
        let part = parts.next()?.trim_ascii();
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u64>().ok())?
    };
    let (rows, cols) = (number()?, number()?);
    Size::checked(cols, rows)
}

#[cfg(test)]
mod tests;
