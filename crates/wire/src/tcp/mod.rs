//! Raw TCP: bytes in, bytes out. With authentication, a start code is asked for first; in a lobby, which session.

mod console;
mod foreign;
mod lobby;

pub(crate) use console::Console;
pub(crate) use foreign::METHODS;

use crate::admit::{Principal, Refusal, Secret};
use crate::limits;
use crate::link::{Entry, Visitor};
use crate::peer::Peer;
use crate::{Context, Target};
use console::Echo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
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
        Peer::Ip(address) if context.listener.auth => ask(console, address, context).await?,
        _ => peer.principal(None),
    };
    let session = match context.listener.target {
        Target::Lobby { .. } => lobby::choose(console, &context.registry).await?,
        Target::New { .. } | Target::Named { .. } => None,
    };
    Some((principal, session))
}

/// Asks for the start code; returns who it is. Otherwise the connection is closed.
async fn ask(console: &mut Console, address: SocketAddr, context: &Context) -> Option<Principal> {
    for _ in 0..limits::PROMPT_TRIES {
        console.say("start code: ").await?;
        let line = console
            .line(limits::PROMPT_LINE, limits::PROMPT, Echo::Hidden)
            .await?;
        // A browser's request is no wrong code: it must not lock out who knows the right one.
        if foreign::is_browser(&line) {
            break;
        }
        let code = String::from_utf8_lossy(&line);
        let judged = context.admission.login(address.ip(), Secret::Code(&code));
        context.metrics.judged(judged.as_ref().err());
        match judged {
            Ok(role) => return Some(Peer::Ip(address).principal(role)),
            Err(Refusal::Wait(wait)) => {
                console.say(&too_many(wait)).await?;
                break;
            }
            Err(_) => console.say("wrong start code\r\n").await?,
        }
    }
    console.close().await;
    None
}

fn too_many(wait: Duration) -> String {
    let seconds = wait.as_secs() + 1;
    format!("too many failures; try again in {seconds} seconds\r\n")
}
