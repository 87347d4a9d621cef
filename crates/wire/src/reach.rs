//! What somebody reaches at a listener: all sessions, or the listener's own if nobody was asked who he is.
//!
//! A listener without authentication that offers a game shall offer the game, and neither the shell beside it nor
//! other people's sessions.

use crate::admit::Principal;
use crate::{Context, Target};
use anywire_session::{Session, SessionInfo};

impl Context {
    /// The sessions that this principal may know of.
    pub(crate) fn list(&self, principal: &Principal) -> Vec<SessionInfo> {
        let mut list = self.registry.list();
        list.retain(|info| self.reaches(principal, &info.service, Some(&info.name)));
        list
    }

    /// The session with this id or name, if this principal may know of it.
    pub(crate) fn find(&self, principal: &Principal, key: &str) -> Option<Session> {
        let session = self.registry.find(key)?;
        let info = session.info();
        self.reaches(principal, &info.service, Some(&info.name))
            .then_some(session)
    }

    /// Whether this principal may have sessions of this service, and of this name if it has one.
    pub(crate) fn reaches(
        &self,
        principal: &Principal,
        service: &str,
        session: Option<&str>,
    ) -> bool {
        if self.listener.auth || principal.role.is_some() {
            return true;
        }
        match &self.listener.target {
            Target::Named { name, service: own } => own == service && session == Some(name),
            Target::New { service: own } | Target::Lobby { service: own } => own == service,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::context;
    use anywire_model::Role;
    use std::sync::Arc;

    #[test]
    fn who_was_not_asked_reaches_what_the_listener_offers() {
        let reaches = |auth, role, target: Target, service, session| {
            let mut context = Arc::into_inner(context(auth)).expect("one owner");
            context.listener.target = target;
            let address = "127.0.0.1:1".parse().unwrap();
            let principal = crate::peer::Peer::Ip(address).principal(role);
            context.reaches(&principal, service, session)
        };
        let new = || Target::New {
            service: "game".to_owned(),
        };
        let named = || Target::Named {
            name: "table".to_owned(),
            service: "game".to_owned(),
        };
        assert!(reaches(false, None, new(), "game", Some("any")));
        assert!(!reaches(false, None, new(), "shell", Some("any")));
        assert!(reaches(false, None, named(), "game", Some("table")));
        assert!(!reaches(false, None, named(), "game", Some("other")));
        assert!(!reaches(false, None, named(), "game", None));
        for (auth, role) in [(true, None), (false, Some(Role::Owner))] {
            assert!(reaches(auth, role, new(), "shell", Some("any")));
        }
    }
}
