//! A password that is compared in constant time and never shown.

use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// A password, kept as its digest: so the time of a comparison does not even tell its length.
#[derive(Clone)]
pub struct Password([u8; 32]);

impl Password {
    /// `None` for an empty one, which would be none.
    #[must_use]
    pub fn new(password: &str) -> Option<Self> {
        (!password.is_empty()).then(|| Self(digest(password)))
    }

    pub(super) fn is(&self, other: &str) -> bool {
        self.0.ct_eq(&digest(other)).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

fn digest(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_right_and_nothing_is_shown() {
        let password = Password::new("white rabbit").unwrap();
        assert!(password.is("white rabbit"));
        for wrong in ["", "white rabbi", "white rabbit ", "White rabbit"] {
            assert!(!password.is(wrong));
        }
        assert!(Password::new("").is_none());
        assert_eq!(format!("{password:?}"), "Password");
    }
}
