//! What the configuration says about access: host names, origins, users and tokens.

use super::password;
use anywire_model::Role;
use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What the operator decides. May be exchanged while the server runs.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The values of `Host` that are ours, as a browser writes them: with the port unless it is the scheme's own.
    pub hosts: Vec<String>,
    /// Origins beyond our own whose pages may use the server, exactly as a browser writes them, such as
    /// `https://term.example`. `null` is none.
    pub origins: Vec<String>,
    /// Who may come in with a password.
    pub users: BTreeMap<Name, User>,
    /// What programs may come in with.
    pub tokens: BTreeMap<Name, Token>,
}

/// Why a user or a token cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Not a name.
    #[error("a name has 1 to 32 letters, digits, '.', '_', '@' or '-', and begins with a letter")]
    Name,
    /// Not a password that we can check.
    #[error(
        "a password is an argon2id PHC string (`anywire config hash-password` makes one), with at most 256 MiB and 16 passes"
    )]
    Password,
    /// Not a token's digest.
    #[error("a token's sha256 has 64 hexadecimal digits (`anywire config new-token` prints them)")]
    Token,
}

/// The name of a user or a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Bytes of the longest.
    pub const MAX: usize = 32;

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn to_arc(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let good = (1..=Self::MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'-')
            });
        good.then(|| Self(text.into())).ok_or(RuleError::Name)
    }
}

/// Somebody with a password.
#[derive(Clone)]
pub struct User {
    pub(super) phc: Arc<str>,
    pub(super) role: Role,
}

impl User {
    /// A user with this password, as a PHC string, and this role.
    ///
    /// # Errors
    /// [`RuleError::Password`].
    pub fn new(phc: &str, role: Role) -> Result<Self, RuleError> {
        if !password::is_bearable(phc) {
            return Err(RuleError::Password);
        }
        let phc = phc.into();
        Ok(Self { phc, role })
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({:?})", self.role)
    }
}

/// A program's way in: only the digest is known here.
#[derive(Clone)]
pub struct Token {
    sha256: [u8; 32],
    pub(super) role: Role,
}

impl Token {
    /// The token with this SHA-256, in hexadecimal digits, and this role.
    ///
    /// # Errors
    /// [`RuleError::Token`].
    pub fn new(sha256: &str, role: Role) -> Result<Self, RuleError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(sha256.as_bytes());
        let sha256 = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        let sha256 = sha256.ok_or(RuleError::Token)?;
        Ok(Self { sha256, role })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({:?})", self.role)
    }
}

/// On whose account somebody was let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Account {
    /// On nobody's: by the start code, or because no credentials are asked for.
    #[default]
    Nobody,
    /// A user's.
    User(Arc<str>),
    /// A token's.
    Token(Arc<str>),
}

impl Account {
    /// The kind as a byte, and the name.
    pub(super) fn parts(&self) -> (u8, &str) {
        match self {
            Self::Nobody => (0, ""),
            Self::User(name) => (1, name),
            Self::Token(name) => (2, name),
        }
    }

    /// Reads [`Account::parts`].
    pub(super) fn from_parts(kind: u8, name: &[u8]) -> Option<Self> {
        let name: Name = std::str::from_utf8(name).ok()?.parse().ok()?;
        match kind {
            1 => Some(Self::User(name.0)),
            2 => Some(Self::Token(name.0)),
            _ => None,
        }
    }
}

impl Rules {
    /// The token that this is, if any. Looks at all of them, whichever it is.
    pub(super) fn token(&self, text: &str) -> Option<(&Name, &Token)> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        self.tokens.iter().fold(None, |found, (name, token)| {
            let same = bool::from(token.sha256.ct_eq(&digest));
            if same { Some((name, token)) } else { found }
        })
    }

    /// What a login on this account depends on: when it changes, what was signed with it is no longer valid. `None`
    /// when there is no such account any more.
    pub(super) fn stamp(&self, account: &Account) -> Option<[u8; 32]> {
        let (secret, role): (&[u8], Role) = match account {
            Account::Nobody => return Some([0; 32]),
            Account::User(name) => {
                let user = self.users.get(&**name)?;
                (user.phc.as_bytes(), user.role)
            }
            Account::Token(name) => {
                let token = self.tokens.get(&**name)?;
                (&token.sha256, token.role)
            }
        };
        let role = [super::vault::role_byte(Some(role))];
        let digest = Sha256::new().chain_update(role).chain_update(secret);
        Some(digest.finalize().into())
    }
}
