//! The title that a terminal's program has set, found in its output when somebody asks for it. A screen knows it
//! exactly, but drawing one for each line of a list would cost too much.

use anywire_model::Offset;
use anywire_process::Ring;
use memchr::{memchr2, memmem};

/// Output that is searched at most, from its end backwards.
const LOOK: u64 = 64 << 10;
/// Bytes of a sequence that sets a title; a longer one sets none.
const SEQUENCE_MAX: usize = 2048;
/// Characters of a title.
const TITLE_MAX: usize = 256;
/// Begins an operating system command.
const OSC: &[u8] = b"\x1b]";

/// The last title found, and how far was looked.
#[derive(Debug, Default)]
pub(crate) struct Title {
    scanned: Offset,
    text: Option<String>,
}

impl Title {
    /// Searches what came since the last time.
    pub(crate) fn look(&mut self, log: &Ring) -> Option<String> {
        let head = log.progress().head;
        let from = self.scanned.max(head.saturating_sub(LOOK)).max(log.tail());
        let mut bytes = Vec::new();
        // Overtaken meanwhile: what is there by now is found the next time.
        if from < head && log.read(from, LOOK as usize, &mut bytes).is_ok() {
            let (title, done) = find(&bytes);
            self.text = title.or(self.text.take());
            self.scanned = from + done as u64;
        }
        self.text.clone().filter(|title| !title.is_empty())
    }
}

/// The last title set in `bytes`, and how many of them need not be looked at again.
fn find(bytes: &[u8]) -> (Option<String>, usize) {
    let mut done = bytes.len();
    if bytes.last() == Some(&0x1b) {
        done -= 1;
    }
    for at in memmem::rfind_iter(bytes, OSC) {
        let rest = &bytes[at + OSC.len()..];
        let rest = &rest[..rest.len().min(SEQUENCE_MAX)];
        let end = memchr2(0x07, 0x1b, rest);
        let Some(end) = end.filter(|end| rest[*end] == 0x07 || rest.len() > end + 1) else {
            if rest.len() < SEQUENCE_MAX {
                done = done.min(at);
            }
            continue;
        };
        let ended = rest[end] == 0x07 || rest[end + 1] == b'\\';
        let text = rest[..end].strip_prefix(b"0;");
        if let Some(text) = text
            .or_else(|| rest[..end].strip_prefix(b"2;"))
            .filter(|_| ended)
        {
            return (Some(clean(text)), done);
        }
    }
    (None, done)
}

fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.trim().chars().take(TITLE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_whole_title_counts_and_a_half_one_is_waited_for() {
        let found = |bytes: &[u8]| {
            let (title, done) = find(bytes);
            (title.unwrap_or_default(), bytes.len() - done)
        };
        assert_eq!(
            found(b"a\x1b]0;one\x07b\x1b]2;t\xc3\xa9\x1b\\c"),
            ("té".into(), 0)
        );
        assert_eq!(
            found(b"\x1b]2;x\x01\x9by\x07\x1b]52;c;eA==\x07"),
            ("x\u{fffd}y".into(), 0)
        );
        assert_eq!(found(b"\x1b]2;x\x07 \x1b]2;ha"), ("x".into(), 6));
        assert_eq!(found(b"\x1b]2;x\x07 \x1b]2;half\x1b"), ("x".into(), 9));
        assert_eq!(found(b"\x1b]2;broken\x1b[m \x1b"), (String::new(), 1));
        let long = [b"\x1b]2;".as_slice(), &[b'x'; SEQUENCE_MAX + 1]].concat();
        assert_eq!(found(&long), (String::new(), 0));
    }

    proptest! {
        /// Wherever output is cut between two looks, the title is the same.
        #[test]
        fn cuts_do_not_matter(pieces in prop::collection::vec(
            prop::sample::select(vec!["\x1b]2;", "\x1b]0;", "a", "bc", "\x07", "\x1b", "\\", "\x1b\\"]), 0..30,
        ), cut in any::<prop::sample::Index>()) {
            let bytes = pieces.concat().into_bytes();
            let log = Ring::heap(anywire_model::Size::DEFAULT, 1 << 20, 1 << 20);
            let mut title = Title::default();
            let at = cut.index(bytes.len() + 1);
            log.append(&bytes[..at]);
            title.look(&log);
            log.append(&bytes[at..]);
            let whole = find(&bytes).0.filter(|title| !title.is_empty());
            prop_assert_eq!(title.look(&log), whole);
        }
    }
}
