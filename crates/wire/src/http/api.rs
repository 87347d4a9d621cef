//! The JSON API beside the page (docs/protocol.md).

use super::{Connection, Problem};
use crate::Context;
use crate::admit::{Principal, Secret, TICKET_LIFE};
use crate::limits;
use crate::peer::Peer;
use anywire_model::Role;
use anywire_session::SessionInfo;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::header::{CONTENT_TYPE, HOST, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    code: Option<String>,
    ticket: Option<String>,
}

/// `POST /api/login`
pub(super) async fn login(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let Peer::Ip(address) = connection.peer else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let host = request.headers().get(HOST).cloned();
    let login: Login = json(request).await?;
    let secret = match (&login.code, &login.ticket) {
        (Some(code), None) => Secret::Code(code),
        (None, Some(ticket)) => Secret::Ticket(ticket),
        _ => {
            let detail = "either a code or a ticket is needed";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let role = context.admission.login(address.ip(), secret)?;
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let cookie = context.admission.set_cookie(host.unwrap_or_default(), role);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
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
    if !principal
        .role
        .unwrap_or(context.listener.default_role)
        .may_own()
    {
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
    let role: Option<Role> = match connection.peer {
        Peer::User(_) => None,
        Peer::Ip(_) => principal.role,
    };
    Json(serde_json::json!({
        "ticket": context.admission.mint_ticket(role),
        "expires_in": TICKET_LIFE.as_secs(),
    }))
}

/// The body as JSON. Asking for the content type makes browsers ask us before another origin's page may send it.
async fn json<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Problem> {
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
