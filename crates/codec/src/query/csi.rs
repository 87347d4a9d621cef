//! A control sequence cut into its parts (ECMA-48 section 5.4): `CSI`, parameters, intermediates, final byte.

/// The parts of a control sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Csi<'a> {
    /// `<`, `=`, `>`, `?`, or nothing.
    pub(super) private: Option<u8>,
    /// Digits, `;` and `:`.
    pub(super) params: &'a [u8],
    /// The byte between parameters and the final one, if there is exactly one.
    pub(super) intermediate: Option<u8>,
    /// What to do.
    pub(super) last: u8,
    /// Bytes of the whole, `ESC [` included.
    pub(super) len: usize,
}

impl Csi<'_> {
    /// The parameter at this place; an empty or absent one is `None`, and so is one over 65535.
    pub(super) fn param(&self, at: usize) -> Option<u16> {
        let text = self.params.split(|&byte| byte == b';').nth(at)?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// How many parameters there are; 0 when none is written.
    pub(super) fn count(&self) -> usize {
        if self.params.is_empty() {
            return 0;
        }
        1 + self.params.iter().filter(|&&byte| byte == b';').count()
    }
}

/// A control sequence at the start of `bytes`, which begins with `ESC [`. `Ok(None)` if it is not finished, `Err` if
/// it is none.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Csi<'_>>, ()> {
    let mut at = 2;
    let private = bytes
        .get(at)
        .copied()
        .filter(|byte| (b'<'..=b'?').contains(byte));
    at += usize::from(private.is_some());
    let digits = |byte: &u8| (b'0'..=b';').contains(byte);
    let params = &bytes[at.min(bytes.len())..];
    let params = &params[..params.iter().take_while(|b| digits(b)).count()];
    at += params.len();
    let intermediates = bytes[at.min(bytes.len())..]
        .iter()
        .take_while(|byte| (0x20..=0x2f).contains(*byte))
        .count();
    if intermediates > 1 {
        return Err(());
    }
    let intermediate = (intermediates == 1).then(|| bytes[at]);
    at += intermediates;
    match bytes.get(at) {
        None => Ok(None),
        Some(&last @ 0x40..=0x7e) => Ok(Some(Csi {
            private,
            params,
            intermediate,
            last,
            len: at + 1,
        })),
        Some(_) => Err(()),
    }
}
