//! The WebSocket handshake (RFC 6455 section 4.2). Every refusal comes before the upgrade, as plain HTTP.

use crate::admit::Principal;
use crate::dialect::{Auto, Native, Tty};
use crate::http::{Connection, Problem, Speech, Upgrade};
use crate::{Compression, Context};
use anywire_codec::dialect::{native, tty};
use anywire_codec::framed;
use anywire_codec::websocket::deflate;
use axum::body::Body;
use axum::extract::{Extension, Query, Request, State};
use axum::response::Response;
use data_encoding::BASE64;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// What every server appends to the client's key (RFC 6455 section 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the address may say.
#[derive(Deserialize)]
pub(crate) struct Address {
    session: Option<String>,
    /// 1: a client without a subprotocol gets bytes, not text.
    binary: Option<u8>,
}

/// `GET /ws`
pub(crate) async fn upgrade(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    Extension(principal): Extension<Principal>,
    Query(address): Query<Address>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    check(request.headers())?;
    if let Some(key) = &address.session
        && context.find(&principal, key).is_none()
    {
        let detail = "no session has that id or name";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    let speaks = choose(request.headers(), address.binary == Some(1));
    switch(
        &context,
        &connection,
        principal,
        address.session,
        speaks,
        request,
    )
}

/// Answers a handshake and leaves the upgrade for the connection's own task.
pub(crate) fn switch(
    context: &Context,
    connection: &Connection,
    principal: Principal,
    session: Option<String>,
    (protocol, speech): (Option<&'static str>, Speech),
    mut request: Request<Body>,
) -> Result<Response, Problem> {
    let accept = check(request.headers())?;
    let is_framed = matches!(speech, Speech::Framed);
    let deflate = !is_framed && deflates(context, connection, request.headers());
    connection.upgrade(Upgrade {
        on: hyper::upgrade::on(&mut request),
        speech,
        principal,
        session,
        deflate,
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if deflate {
        let extension = HeaderValue::from_static(deflate::RESPONSE);
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_static(protocol);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

/// Whether a client wants to speak WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Whether this is a handshake that we understand; returns the proof of it.
fn check(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let refuse = |detail: &str| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, detail)
            .with(UPGRADE, HeaderValue::from_static("websocket"))
            .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    };
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(refuse("this address speaks WebSocket"));
    }
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes)
        != Some(b"13")
    {
        return Err(refuse("only version 13 of WebSocket is spoken here"));
    }
    let bad_key = || {
        let detail = "Sec-WebSocket-Key is 16 bytes in Base64";
        Problem::new(StatusCode::BAD_REQUEST, detail)
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(bad_key)?;
    match BASE64.decode(key.as_bytes()) {
        Ok(bytes) if bytes.len() == 16 => {}
        _ => return Err(bad_key()),
    }
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(KEY_SUFFIX)
        .finalize();
    HeaderValue::from_str(&BASE64.encode(&digest)).map_err(|_| bad_key())
}

/// The first subprotocol of the client's list that we speak. A client that has none shows itself later.
fn choose(headers: &HeaderMap, binary: bool) -> (Option<&'static str>, Speech) {
    for name in tokens(headers, &SEC_WEBSOCKET_PROTOCOL) {
        match name {
            native::SUBPROTOCOL => {
                let dialect = Box::new(Native::default());
                return (Some(native::SUBPROTOCOL), Speech::Dialect(dialect));
            }
            tty::SUBPROTOCOL => {
                let dialect = Box::new(Tty::default());
                return (Some(tty::SUBPROTOCOL), Speech::Dialect(dialect));
            }
            framed::SUBPROTOCOL => return (Some(framed::SUBPROTOCOL), Speech::Framed),
            _ => {}
        }
    }
    (None, Speech::Dialect(Box::new(Auto::new(binary))))
}

/// Whether messages are compressed: the client offers it, and the listener thinks that it is worth it.
fn deflates(context: &Context, connection: &Connection, headers: &HeaderMap) -> bool {
    let wanted = match context.listener.compression {
        Compression::Always => true,
        Compression::Never => false,
        Compression::Auto => connection.way.peer.is_remote(),
    };
    let mut offers = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    wanted && offers.any(|offers| offers.to_str().is_ok_and(deflate::accepts))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|one| one.eq_ignore_ascii_case(token))
}

/// The comma-separated values of a header.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_standard_s_own() {
        let mut headers = HeaderMap::new();
        let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
        put(UPGRADE, "WebSocket");
        put(CONNECTION, "keep-alive, Upgrade");
        put(SEC_WEBSOCKET_VERSION, "13");
        put(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(check(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
