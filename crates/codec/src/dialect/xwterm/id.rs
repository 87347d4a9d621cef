//! Ids of sessions as clients know them, and the cookie that carries one.

use super::MAX_ID;
use std::fmt::Write as _;

/// The cookie's name.
const COOKIE: &str = "session_id";
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// An id of 16 letters and digits. Sixteen bits of randomness for each, so that all letters are about as likely.
#[must_use]
pub fn random_id(random: [u16; 16]) -> String {
    let letter = |number: u16| char::from(LETTERS[usize::from(number) % LETTERS.len()]);
    random.into_iter().map(letter).collect()
}

/// An id as the value of a cookie: as it is if its characters allow, else quoted, with what is not printable as three
/// octal digits. That is how Python prints it.
#[must_use]
pub fn cookie_value(id: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(c);
    if id.chars().all(legal) {
        return id.to_owned();
    }
    let mut value = String::from("\"");
    for byte in id.bytes() {
        match byte {
            b'"' | b'\\' => value.extend(['\\', char::from(byte)]),
            b',' | b';' | ..=0x1f | 0x7f.. => {
                let _ = write!(value, "\\{byte:03o}");
            }
            _ => value.push(char::from(byte)),
        }
    }
    value.push('"');
    value
}

/// The id in a `Cookie` header, if there is one. What cannot be read is no id; the last of several counts.
#[must_use]
pub fn read_cookie(header: &str) -> Option<String> {
    let mut found = None;
    for pair in split(header) {
        if let Some((name, value)) = pair.split_once('=')
            && name.trim_ascii() == COOKIE
        {
            found = unquote(value.trim_ascii()).filter(|id| !id.is_empty() && id.len() <= MAX_ID);
        }
    }
    found
}

/// The pairs of a header, which end with a semicolon that is not in quotes.
fn split(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    header.split(move |c| {
        let ends = c == ';' && !quoted;
        if ends || escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = quoted;
        } else if c == '"' {
            quoted = !quoted;
        }
        ends
    })
}

fn unquote(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Some(value.to_owned());
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let next = rest.next()?;
        if !(b'0'..=b'3').contains(&next) {
            bytes.push(next);
            continue;
        }
        let mut octal = || rest.next().filter(|byte| (b'0'..=b'7').contains(byte));
        let (second, third) = (octal()?, octal()?);
        bytes.push((next - b'0') * 64 + (second - b'0') * 8 + (third - b'0'));
    }
    String::from_utf8(bytes).ok()
}
