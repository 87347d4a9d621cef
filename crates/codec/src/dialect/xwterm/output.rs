//! Output as text: bytes of a terminal to characters to JSON.

/// The longest UTF-8 sequence, but for its last byte.
const HELD_MAX: usize = 3;

/// Turns bytes into characters. A sequence that is cut is held back until its end comes; what can never become a
/// character is U+FFFD at once.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    held: [u8; HELD_MAX],
    len: usize,
}

impl Decoder {
    /// Appends the characters of `bytes` to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut String) {
        let joined;
        let mut rest = bytes;
        if self.len > 0 {
            joined = [&self.held[..self.len], bytes].concat();
            rest = &joined;
            self.len = 0;
        }
        for chunk in rest.utf8_chunks() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let at_end = invalid.as_ptr_range().end == rest.as_ptr_range().end;
            if at_end && is_cut(invalid) {
                self.held[..invalid.len()].copy_from_slice(invalid);
                self.len = invalid.len();
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Nothing more comes: what was held back is no character.
    pub fn finish(&mut self, out: &mut String) {
        if std::mem::take(&mut self.len) > 0 {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Whether more bytes could make a character of it.
fn is_cut(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => false,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

/// Appends `{"text": "..."}`, in ASCII: beyond it, characters are `\uXXXX`, as pairs where they need two.
pub fn print_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\": ");
    print_string(text, out);
    out.push(b'}');
}

fn print_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let run = bytes[at..]
            .iter()
            .position(|byte| !plain(byte))
            .unwrap_or(bytes.len() - at);
        out.extend_from_slice(&bytes[at..at + run]);
        at += run;
        let Some(special) = text[at..].chars().next() else {
            break;
        };
        escape(special, out);
        at += special.len_utf8();
    }
    out.push(b'"');
}

fn escape(c: char, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\x08' => b'b',
        '\x0c' => b'f',
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| HEX[usize::from(*unit >> shift & 0xf)];
                out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
