//! Who is at the other end of a socket, as the kernel tells it.

use crate::admit::{Account, Principal};
use anywire_model::Role;
use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody at this address.
    Ip(SocketAddr),
    /// A process of this user, on this machine, whom the listener let in.
    User(u32),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::User(uid) => write!(f, "user {uid}"),
        }
    }
}

impl Peer {
    /// Its address; `None` for a process of this machine.
    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(address),
            Self::User(_) => None,
        }
    }

    /// Whether it is on another machine.
    pub(crate) fn is_remote(self) -> bool {
        match self {
            Self::Ip(address) => !address.ip().to_canonical().is_loopback(),
            Self::User(_) => false,
        }
    }

    /// This peer as somebody who was let in.
    pub(crate) fn principal(self, role: Option<Role>) -> Principal {
        let name = match self {
            Self::Ip(address) => address.ip().to_string(),
            Self::User(uid) => format!("user {uid}"),
        };
        Principal {
            name: name.into(),
            role,
            account: Account::Nobody,
            login: None,
        }
    }
}
