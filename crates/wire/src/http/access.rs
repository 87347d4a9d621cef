//! Logging in and out over HTTP, and the start code for its owner (docs/protocol.md).

use super::api::json;
use super::{Connection, Problem};
use crate::Context;
use crate::admit::{Principal, Secret};
use crate::peer::Peer;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::header::{HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    code: Option<String>,
    ticket: Option<String>,
    token: Option<String>,
    user: Option<String>,
    password: Option<String>,
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
pub(super) async fn methods(State(context): State<Arc<Context>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "auth": context.listener.auth,
        "methods": context.admission.methods(),
    }))
}

/// `POST /api/login`
pub(super) async fn login(
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
    let grant = context.admission.login(address.ip(), secret).await?;
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    let tls = connection.way.tls;
    let cookie = context
        .admission
        .set_cookie(host.unwrap_or_default(), tls, grant);
    Ok(with_cookie(cookie.as_deref()))
}

/// `POST /api/logout`: this cookie is worth nothing from now on, wherever it has got to.
pub(super) async fn logout(
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
pub(super) async fn me(
    State(context): State<Arc<Context>>,
    Extension(principal): Extension<Principal>,
) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "name": &*principal.name,
        "role": principal.role_at(&context.listener),
    }))
}

/// `GET /api/code`
pub(super) async fn code(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
) -> Result<Json<serde_json::Value>, Problem> {
    only_local(&connection)?;
    Ok(Json(
        serde_json::json!({ "code": context.admission.start_code() }),
    ))
}

/// `POST /api/code/rotate`
pub(super) async fn rotate(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
) -> Result<Json<serde_json::Value>, Problem> {
    only_local(&connection)?;
    Ok(Json(
        serde_json::json!({ "code": context.admission.rotate() }),
    ))
}

/// The start code is for whoever runs the server: by it others come in, with what the listener gives.
fn only_local(connection: &Connection) -> Result<(), Problem> {
    match connection.way.peer {
        Peer::User(_) => Ok(()),
        Peer::Ip(_) => {
            let detail = "the start code is told on the UNIX socket only: use `anywire code`";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}
