//! Logging in and out over HTTP, and the start code for its owner (docs/protocol.md).

use super::body::json;
use crate::Context;
use crate::admit::{Grant, Principal, Secret, TICKET_LIFE, is_page_key};
use crate::http::{Connection, Problem};
use crate::peer::Peer;
use anywire_model::Role;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::header::{HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
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
    token: Option<String>,
    user: Option<String>,
    password: Option<String>,
    /// The page's half of the secret; without it the cookie alone is enough.
    key: Option<String>,
}

impl Login {
    /// The one secret that it is about.
    fn secret(&self) -> Option<Secret<'_>> {
        let Self {
            code,
            ticket,
            token,
            user,
            password,
            key: _,
        } = self;
        match (code, ticket, token, user, password) {
            (Some(code), None, None, None, None) => Some(Secret::Code(code)),
            (None, Some(ticket), None, None, None) => Some(Secret::Ticket(ticket)),
            (None, None, Some(token), None, None) => Some(Secret::Token(token)),
            (None, None, None, Some(user), Some(password)) => {
                Some(Secret::Password { user, password })
            }
            _ => None,
        }
    }
}

/// `GET /api/login`: whether and how to log in.
pub(crate) async fn methods(State(context): State<Arc<Context>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "auth": context.listener.auth,
        "methods": context.admission.methods(),
    }))
}

/// `POST /api/login`
pub(crate) async fn login(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let Peer::Ip(address) = connection.way.peer else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let host = request.headers().get(HOST).cloned();
    let login: Login = json(request).await?;
    let secret = login.secret().ok_or_else(|| {
        let detail = "either a code, a ticket, a token, or a user and a password is needed";
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })?;
    let key = login.key.as_deref();
    if key.is_some_and(|key| !is_page_key(key)) {
        let detail = "a key has 22 to 64 letters, digits, '-' or '_'";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let judged = context.admission.login(address.ip(), secret).await;
    context.metrics.judged(judged.as_ref().err());
    let grant = judged?;
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let tls = connection.way.tls;
    let cookie = context
        .admission
        .set_cookie(host.unwrap_or_default(), tls, grant, key);
    Ok(with_cookie(cookie.as_deref()))
}

/// `POST /api/logout`: this cookie is worth nothing from now on, wherever it has got to.
pub(crate) async fn logout(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    let forget = context.admission.log_out(&headers, connection.way.tls);
    with_cookie(Some(&forget))
}

fn with_cookie(cookie: Option<&str>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok());
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// `GET /api/me`
pub(crate) async fn me(
    State(context): State<Arc<Context>>,
    Extension(principal): Extension<Principal>,
) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "name": &*principal.name,
        "role": principal.role_at(&context.listener),
    }))
}

/// `POST /api/tickets`
pub(crate) async fn tickets(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<serde_json::Value>, Problem> {
    // Nobody has said who he is here, and a ticket is worth something at listeners that ask.
    if matches!(connection.way.peer, Peer::Ip(_)) && !connection.way.auth {
        let detail =
            "this address asks nobody who he is: it needs no ticket and has none for others";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    // A logout ends what came of the login's own tickets; so that this is all, those who came by one pass nothing on.
    if principal
        .login
        .as_ref()
        .is_some_and(|login| login.by_ticket)
    {
        let detail = "who came by a ticket has none for others: ask whoever gave it";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    // Places for tickets and for ended logins are few: others could use them up. An owner's tickets get what the
    // listener they are used at gives.
    if !principal.role_at(&context.listener).may_own() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "tickets are for owners",
        ));
    }
    let grant = Grant {
        account: principal.account,
        role: principal.role,
        login: principal.login.map(|login| *login),
    };
    Ok(Json(serde_json::json!({
        "ticket": context.admission.mint_ticket(grant),
        "expires_in": TICKET_LIFE.as_secs(),
        "page": context.listener.page.as_deref(),
    })))
}

/// `GET /api/code`
pub(crate) async fn code(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<serde_json::Value>, Problem> {
    only_local(&connection, principal.role_at(&context.listener))?;
    Ok(Json(
        serde_json::json!({ "code": context.admission.start_code() }),
    ))
}

/// `POST /api/code/rotate`
pub(crate) async fn rotate(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<serde_json::Value>, Problem> {
    only_local(&connection, principal.role_at(&context.listener))?;
    Ok(Json(
        serde_json::json!({ "code": context.admission.rotate() }),
    ))
}

/// The start code is for whoever runs the server: by it others come in, with what the listener gives.
fn only_local(connection: &Connection, role: Role) -> Result<(), Problem> {
    match connection.way.peer {
        Peer::User(_) if role.may_own() => Ok(()),
        Peer::User(_) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the start code is for owners",
        )),
        Peer::Ip(_) => {
            let detail = "the start code is told on the server's own machine only: run `anywire code` there, without a URL";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}
