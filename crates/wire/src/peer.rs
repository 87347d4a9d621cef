//! Who is at the other end of a socket, as the kernel tells it.

use crate::admit::Principal;
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

impl Peer {
    /// Its address; `None` for a process of this machine.
    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(address),
            Self::User(_) => None,
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
        }
    }
}
