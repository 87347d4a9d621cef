//! HTTP/1.1: the page, its API, and the way to WebSocket.
//!
//! A connection is served by hyper until it ends or is upgraded. After an upgrade hyper's buffers are gone before the
//! pump begins, so that an idle WebSocket costs no more than an idle raw connection.

mod api;
mod connection;
mod gate;
mod health;
mod page;
mod problem;
mod routes;
mod stream;
pub mod xwterm;

pub(crate) use connection::{Connection, Speech, Upgrade};
pub(crate) use problem::Problem;

use crate::Context;
use crate::link::Socket;
use crate::listen::{Behind, Stranger};
use crate::peer::Peer;
use axum::Router;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the connections of an HTTP listener share.
#[derive(Clone)]
pub(crate) struct Server {
    context: Arc<Context>,
    router: Router,
}

impl Server {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self {
            router: match &context.listener.xwterm {
                None => routes::router(context.clone()),
                Some(_) => xwterm::router(context.clone()),
            },
            context,
        }
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Serves requests, of which `head` was read; returns what is behind an upgrade, if there is one.
    pub(crate) async fn shake_hands(
        self,
        socket: Socket,
        peer: Peer,
        head: Vec<u8>,
        stranger: Option<Stranger>,
        shutdown: CancellationToken,
    ) -> Option<Behind> {
        connection::serve(socket, peer, head, stranger, self, shutdown).await
    }
}
