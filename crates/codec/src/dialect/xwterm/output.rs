//! Output as JSON: the characters of a terminal, in ASCII.

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
