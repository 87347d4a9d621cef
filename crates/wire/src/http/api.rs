//! The JSON API beside the page (docs/protocol.md).

use super::{Connection, Problem};
use crate::Context;
use crate::admit::{Grant, Principal, TICKET_LIFE};
use crate::limits;
use crate::peer::Peer;
use anywire_model::Role;
use anywire_session::SessionInfo;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Json;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// `GET /healthz`
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /token`, which clients of ttyd ask for before they connect. What admits them is the request itself.
pub(super) async fn token() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "token": "" }))
}

/// `GET /api/sessions`
pub(super) async fn sessions(State(context): State<Arc<Context>>) -> Json<Vec<SessionInfo>> {
    Json(context.registry.list())
}

/// `DELETE /api/sessions/{id or name}`
pub(super) async fn kill(
    State(context): State<Arc<Context>>,
    Extension(principal): Extension<Principal>,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    if !principal.role_at(&context.listener).may_own() {
        let detail = "only an owner may end a session";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let Some(session) = context.registry.find(&key) else {
        let detail = "no session has that id or name";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    session.kill(&principal.name);
    Ok(StatusCode::ACCEPTED)
}

/// `POST /api/tickets`
pub(super) async fn tickets(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    Extension(principal): Extension<Principal>,
) -> Json<serde_json::Value> {
    // A local user's own role is not for the network: its tickets get what the listener they are used at gives.
    let role: Option<Role> = match connection.way.peer {
        Peer::User(_) => None,
        Peer::Ip(_) => principal.role,
    };
    let account = principal.account;
    Json(serde_json::json!({
        "ticket": context.admission.mint_ticket(Grant { account, role }),
        "expires_in": TICKET_LIFE.as_secs(),
    }))
}

/// The body as JSON. Asking for the content type makes browsers ask us before another origin's page may send it.
pub(super) async fn json<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Problem> {
    let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.split(|&byte| byte == b';')
            .next()
            .is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    });
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is application/json",
        ));
    }
    let body = axum::body::to_bytes(request.into_body(), limits::BODY_BYTES);
    let body = tokio::time::timeout(limits::BODY, body)
        .await
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?
        .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"))?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))
}
