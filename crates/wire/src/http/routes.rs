//! All routes, in one place.

use super::{Problem, api, gate, health, page};
use crate::{Context, ws};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;
use std::sync::Arc;

/// Every address that is not a file of the page.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Context>>)> {
    vec![
        ("/healthz", get(health::alive)),
        ("/readyz", get(health::ready)),
        ("/metrics", get(health::metrics)),
        ("/token", get(api::token)),
        ("/ws", get(ws::upgrade)),
        ("/api/login", post(api::login)),
        ("/api/openapi.json", get(api::openapi)),
        ("/api/services", get(api::services)),
        ("/api/sessions", get(api::list).post(api::create)),
        (
            "/api/sessions/{key}",
            get(api::session).patch(api::rename).delete(api::kill),
        ),
        ("/api/sessions/{key}/input", post(api::input)),
        ("/api/sessions/{key}/output", get(api::output)),
        ("/api/sessions/{key}/resize", post(api::resize)),
        ("/api/sessions/{key}/screen", get(api::screen)),
        ("/api/sessions/{key}/signal", post(api::signal)),
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
