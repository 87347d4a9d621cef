//! Content: encodings of text, and JSON of bounded depth.

use super::{Error, Header, Limits};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};
use std::borrow::Cow;
use std::io;

/// The JSON of a message: RFC 8259 exactly, so no `NaN`; the last of two equal keys counts.
///
/// # Errors
/// [`Error::UnsupportedEncoding`] or [`Error::BadJson`].
pub fn json(header: &Header<'_>, content: &[u8], limits: &Limits) -> Result<Value, Error> {
    let text = text(&header.content_encoding, content)?;
    check_depth(text.as_bytes(), limits.depth).map_err(Error::BadJson)?;
    serde_json::from_str(&text).map_err(|error| Error::BadJson(error.to_string()))
}

/// Text out of bytes: `utf-8`, `ascii`, `latin-1`, `utf-16` (with a byte order mark, else little), `utf-16-le` and
/// `utf-16-be`. The peer chooses among these and can name no other.
///
/// # Errors
/// [`Error::UnsupportedEncoding`] for another name, [`Error::BadJson`] for bytes that are no such text.
pub fn text<'a>(encoding: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>, Error> {
    let name: String = encoding
        .chars()
        .take(16)
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match name.as_str() {
        "utf8" | "ascii" | "usascii" => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| no_text("UTF-8")),
        "latin1" | "iso88591" => Ok(bytes.iter().copied().map(char::from).collect()),
        "utf16" => match bytes {
            [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
            rest => utf_16(rest, u16::from_le_bytes),
        },
        "utf16le" => utf_16(bytes, u16::from_le_bytes),
        "utf16be" => utf_16(bytes, u16::from_be_bytes),
        _ => Err(Error::UnsupportedEncoding),
    }
}

fn utf_16<'a>(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'a, str>, Error> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into()),
        _ => Err(no_text("UTF-16")),
    }
}

fn no_text(what: &str) -> Error {
    Error::BadJson(format!("it is not {what}"))
}

/// Whether JSON is nested at most so deep, without reading it: brackets outside of strings are counted.
pub(super) fn check_depth(json: &[u8], max: usize) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > max {
                    return Err(format!("it is nested deeper than {max}"));
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Appends JSON with the separators of the original, `, ` and `: `.
///
/// # Errors
/// When the value cannot be JSON, such as a map with keys that are no text.
pub fn write_json(value: &impl Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Spaced))
}

/// A space after each separator.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
