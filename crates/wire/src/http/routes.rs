//! All routes, in one place.

use super::{Problem, access, api, gate, page};
use crate::{Context, ws};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use http::StatusCode;
use std::sync::Arc;

/// Every address that is not a file of the page.
fn routes() -> [(&'static str, MethodRouter<Arc<Context>>); 11] {
    [
        ("/healthz", get(api::health)),
        ("/token", get(api::token)),
        ("/ws", get(ws::upgrade)),
        ("/api/login", get(access::methods).post(access::login)),
        ("/api/logout", post(access::logout)),
        ("/api/me", get(access::me)),
        ("/api/code", get(access::code)),
        ("/api/code/rotate", post(access::rotate)),
        ("/api/sessions", get(api::sessions)),
        ("/api/sessions/{key}", delete(api::kill)),
        ("/api/tickets", post(api::tickets)),
    ]
}

/// The router of a listener, with the gate around everything, unknown addresses and methods included.
pub(super) fn router(context: Arc<Context>) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, route)| {
            router.route(path, route)
        })
        .fallback(page::file)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(context.clone(), gate::gate))
        .with_state(context)
}

/// The answer to a known address with another method than its own.
pub(super) async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not know that method",
    )
}

#[cfg(test)]
mod tests;
