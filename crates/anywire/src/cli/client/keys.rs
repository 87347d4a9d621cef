//! The key that detaches: one control character, recognised in each of the ways that terminals send it.

use memchr::memmem;
use std::str::FromStr;

/// Which key detaches; none when empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DetachKey {
    /// As a plain byte, as CSI u (kitty keyboard protocol), as xterm's modifyOtherKeys.
    forms: Vec<Vec<u8>>,
    shown: String,
}

impl Default for DetachKey {
    fn default() -> Self {
        let key = r"ctrl-\".parse();
        key.expect("the usual key is one")
    }
}

impl FromStr for DetachKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as ctrl-\\, ctrl-] or ctrl-a, or none".to_owned();
        let shown = text.to_ascii_lowercase();
        if shown == "none" {
            return Ok(Self {
                forms: Vec::new(),
                shown,
            });
        }
        let key = shown
            .strip_prefix("ctrl-")
            .or_else(|| shown.strip_prefix('^'))
            .ok_or_else(wrong)?;
        let [key @ (b'a'..=b'z' | b'\\' | b']' | b'^' | b'_' | b'@')] = key.as_bytes() else {
            return Err(wrong());
        };
        let forms = vec![
            vec![key & 0x1f],
            format!("\x1b[{key};5u").into_bytes(),
            format!("\x1b[27;5;{key}~").into_bytes(),
        ];
        Ok(Self { forms, shown })
    }
}

impl DetachKey {
    /// Whether there is one.
    pub(super) fn is_some(&self) -> bool {
        !self.forms.is_empty()
    }

    /// What comes before the key in these bytes; `None` if the key is not there.
    pub(super) fn before<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let at = self
            .forms
            .iter()
            .filter_map(|form| memmem::find(bytes, form))
            .min()?;
        Some(&bytes[..at])
    }
}

impl std::fmt::Display for DetachKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::DetachKey;

    #[test]
    fn the_key_is_found_in_every_form() {
        let key: DetachKey = r"ctrl-\".parse().unwrap();
        assert_eq!(key.before(b"ab\x1ccd"), Some(&b"ab"[..]));
        assert_eq!(key.before(b"\x1b[92;5u"), Some(&b""[..]));
        assert_eq!(key.before(b"x\x1b[27;5;92~"), Some(&b"x"[..]));
        assert_eq!(key.before(b"\\ \x1b[A"), None);
        assert_eq!("none".parse::<DetachKey>().unwrap().before(b"\x1c"), None);
        assert_eq!(
            "^A".parse::<DetachKey>().unwrap().before(b"\x01"),
            Some(&b""[..])
        );
        for wrong in ["", "ctrl-", "ctrl-ab", "\\", "alt-x", "ctrl-é"] {
            assert!(wrong.parse::<DetachKey>().is_err(), "{wrong}");
        }
    }
}
