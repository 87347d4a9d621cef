//! How a page says who it is: start codes and tickets for a cookie.

use super::body::json;
use crate::Context;
use crate::admit::{Principal, Secret, TICKET_LIFE};
use crate::http::{Connection, Problem};
use crate::peer::Peer;
use anywire_model::Role;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::header::{HOST, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

/// `GET /token`, which clients of ttyd ask for before they connect. What admits them is the request itself.
pub(crate) async fn token() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "token": "" }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    code: Option<String>,
    ticket: Option<String>,
}

/// `POST /api/login`
pub(crate) async fn login(
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
    let role = context.admission.login(address.ip(), secret);
    context.metrics.judged(role.as_ref().err());
    let role = role?;
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let cookie = context.admission.set_cookie(host.unwrap_or_default(), role);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /api/tickets`
pub(crate) async fn tickets(
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
