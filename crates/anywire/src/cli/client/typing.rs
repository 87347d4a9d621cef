//! Keys by their names, as the bytes that a terminal sends for them (xterm's, as TERM=xterm-256color says).

use std::str::FromStr;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Always these bytes.
    Plain(Vec<u8>),
    /// Of the cursor block: `ESC [ x`, or `ESC O x` where a program has asked for that.
    Cursor(u8),
}

/// Whether the key's bytes depend on what the program has asked for.
pub(super) fn is_arrow(key: &Typed) -> bool {
    matches!(key, Typed::Cursor(_))
}

const NAMED: [(&str, &str); 27] = [
    ("enter", "\r"),
    ("return", "\r"),
    ("tab", "\t"),
    ("backtab", "\x1b[Z"),
    ("esc", "\x1b"),
    ("escape", "\x1b"),
    ("space", " "),
    ("comma", ","),
    ("backspace", "\x7f"),
    ("insert", "\x1b[2~"),
    ("delete", "\x1b[3~"),
    ("pageup", "\x1b[5~"),
    ("pgup", "\x1b[5~"),
    ("pagedown", "\x1b[6~"),
    ("pgdn", "\x1b[6~"),
    ("f1", "\x1bOP"),
    ("f2", "\x1bOQ"),
    ("f3", "\x1bOR"),
    ("f4", "\x1bOS"),
    ("f5", "\x1b[15~"),
    ("f6", "\x1b[17~"),
    ("f7", "\x1b[18~"),
    ("f8", "\x1b[19~"),
    ("f9", "\x1b[20~"),
    ("f10", "\x1b[21~"),
    ("f11", "\x1b[23~"),
    ("f12", "\x1b[24~"),
];

const CURSOR: [(&str, u8); 6] = [
    ("up", b'A'),
    ("down", b'B'),
    ("right", b'C'),
    ("left", b'D'),
    ("home", b'H'),
    ("end", b'F'),
];

impl FromStr for Typed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        if let Some((_, last)) = CURSOR.iter().find(|(key, _)| *key == name) {
            return Ok(Self::Cursor(*last));
        }
        if let Some((_, bytes)) = NAMED.iter().find(|(key, _)| *key == name) {
            return Ok(Self::Plain(bytes.as_bytes().to_vec()));
        }
        let control = name.strip_prefix("ctrl-").or(name.strip_prefix("c-"));
        if let Some(key) = control.or(name.strip_prefix('^').filter(|key| !key.is_empty())) {
            return control_key(key).ok_or_else(|| wrong(text));
        }
        let mut after = text.chars();
        let alt = name.starts_with("alt-") || name.starts_with("m-");
        if alt && after.by_ref().any(|c| c == '-') {
            let key: Self = after.as_str().parse()?;
            let bytes = [b"\x1b".as_slice(), &key.bytes(false)].concat();
            return Ok(Self::Plain(bytes));
        }
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(c), None) if !c.is_control() => Ok(Self::Plain(text.as_bytes().to_vec())),
            _ => Err(wrong(text)),
        }
    }
}

fn control_key(key: &str) -> Option<Typed> {
    let byte = match key.as_bytes() {
        [c @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] => c & 0x1f,
        [b'?'] => 0x7f,
        b"space" => 0,
        _ => return None,
    };
    Some(Typed::Plain(vec![byte]))
}

fn wrong(text: &str) -> String {
    format!("{text:?} is no key; write ctrl-c, up, enter, f5, alt-x or a single letter")
}

impl Typed {
    /// What a terminal sends; `application` if the program has asked for application cursor keys.
    pub(super) fn bytes(&self, application: bool) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::Cursor(last) => vec![0x1b, if application { b'O' } else { b'[' }, *last],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_a_terminal_sends() {
        for (name, bytes) in [
            ("ctrl-c", &b"\x03"[..]),
            ("Ctrl-C", b"\x03"),
            ("^d", b"\x04"),
            ("c-space", b"\0"),
            ("ctrl-\\", b"\x1c"),
            ("Enter", b"\r"),
            ("UP", b"\x1b[A"),
            ("f12", b"\x1b[24~"),
            ("alt-X", b"\x1bX"),
            ("m-left", b"\x1b\x1b[D"),
            ("alt--", b"\x1b-"),
            ("é", "é".as_bytes()),
            ("^", b"^"),
        ] {
            let key: Typed = name.parse().unwrap();
            assert_eq!(key.bytes(false), bytes, "{name}");
        }
        assert_eq!("up".parse::<Typed>().unwrap().bytes(true), b"\x1bOA");
        for wrong in ["", "ctrl-", "ctrl-é", "f13", "alt-", "\x1b", "hello"] {
            assert!(wrong.parse::<Typed>().is_err(), "{wrong}");
        }
    }
}
