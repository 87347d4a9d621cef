//! Raw TCP: bytes in, bytes out. With authentication, it is asked first who is there; in a lobby, which session.

mod console;
mod foreign;
mod lobby;

pub(crate) use console::Console;
pub(crate) use foreign::METHODS;

use crate::admit::{Principal, typed_login};
use crate::link::{Entry, Visitor};
use crate::peer::Peer;
use crate::{Context, Target};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Asks for what is needed, on a raw or a telnet connection; returns what is behind it.
pub(crate) async fn shake_hands(
    mut console: Console,
    peer: Peer,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> Option<Box<Entry>> {
    let entering = enter(&mut console, peer, &context);
    let (principal, session) = shutdown.run_until_cancelled(entering).await??;
    let visitor = Visitor {
        context,
        peer,
        principal,
        session,
    };
    Some(Box::new(console.into_entry(visitor)))
}

/// Who it is, and the session that it chose, if it was to choose.
async fn enter(
    console: &mut Console,
    peer: Peer,
    context: &Context,
) -> Option<(Principal, Option<String>)> {
    let principal = match peer {
        Peer::Ip(address) if context.listener.auth => {
            let Some(grant) = typed_login(context, address.ip(), console).await else {
                console.close().await;
                return None;
            };
            grant.principal(peer)
        }
        // The kernel says who is at the other end of a UNIX socket.
        Peer::Ip(_) | Peer::User(_) => peer.principal(None),
    };
    let session = match context.listener.target {
        Target::Lobby { .. } => lobby::choose(console, context, &principal).await?,
        Target::New { .. } | Target::Named { .. } => None,
    };
    Some((principal, session))
}
