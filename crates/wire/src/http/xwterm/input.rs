//! Keys that are posted: a body is one unit, as long as it may be JSON; a longer one is keys as they come.

use super::Hub;
use super::answer::said;
use super::entry::Entry;
use super::viewer::Viewer;
use crate::limits;
use anywire_codec::dialect::xwterm::{MAX_JSON, Unit, looks_like_object};
use anywire_session::Refused;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use tokio::time::{Instant, timeout, timeout_at};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
    Ascii,
}

/// `POST /`: answers when the program has taken everything, so that a client waits with what comes next.
pub(super) async fn post(
    hub: &Hub,
    viewer: &Viewer,
    entry: &Entry,
    request: Request<Body>,
) -> Response {
    let Some(charset) = charset(request.headers()) else {
        return said(StatusCode::BAD_REQUEST, "Bad request");
    };
    let mut body = request.into_body();
    let mut unit = Vec::new();
    loop {
        match next(&mut body).await {
            Ok(Some(bytes)) => unit.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(Cut) => return said(StatusCode::BAD_REQUEST, "Bad request"),
        }
        if unit.len() > MAX_JSON
            || (charset == Charset::Utf8 && unit.len() > MAX_FIRST && !looks_like_object(&unit))
        {
            return stream(viewer, entry, unit, body, charset).await;
        }
    }
    let Some(unit) = decoded(&unit, charset) else {
        return said(StatusCode::BAD_REQUEST, "Bad request");
    };
    let Unit { size, text } = Unit::decode(&unit);
    hub.apply(entry, viewer, size);
    give(viewer, entry, &text).await;
    said(StatusCode::OK, "")
}

/// Bytes that are kept before a long body is passed on as it comes.
const MAX_FIRST: usize = 64 * 1024;

/// A long body: keys, given to the program as they come.
async fn stream(
    viewer: &Viewer,
    entry: &Entry,
    first: Vec<u8>,
    mut body: Body,
    charset: Charset,
) -> Response {
    let mut bytes = Bytes::from(first);
    loop {
        let text = decoded(&bytes, charset).unwrap_or(Cow::Borrowed(&bytes));
        if !give(viewer, entry, &text).await {
            // The rest has nowhere to go, and the client is not to wait for ever.
            break;
        }
        match next(&mut body).await {
            Ok(Some(more)) => bytes = more,
            Ok(None) => break,
            Err(Cut) => return said(StatusCode::BAD_REQUEST, "Bad request"),
        }
    }
    said(StatusCode::OK, "")
}

/// Gives the program input until it has taken all. False if it takes no more.
async fn give(viewer: &Viewer, entry: &Entry, mut text: &[u8]) -> bool {
    let mut deadline = Instant::now() + limits::INPUT_STUCK;
    while !text.is_empty() {
        match viewer.input(text) {
            Ok(0) => {
                let Some(session) = entry.living() else {
                    return false;
                };
                // A terminal that is full says nothing when its program ends.
                let look = deadline.min(Instant::now() + limits::BLOCKED_TICK);
                let ready = timeout_at(look, session.input_ready()).await;
                if ready.is_err() && look == deadline {
                    let lost = text.len();
                    tracing::warn!(sid = ?entry.id, lost, "the program reads nothing: input is dropped");
                    return false;
                }
            }
            Ok(taken) => {
                text = &text[taken..];
                deadline = Instant::now() + limits::INPUT_STUCK;
            }
            // Keys that are pressed while a program ends are nobody's fault.
            Err(Refused::InputClosed) => return false,
            Err(error) => {
                tracing::info!(sid = ?entry.id, %error, "input is refused");
                return false;
            }
        }
        tokio::task::yield_now().await;
    }
    true
}

/// The charset of a body, if we know it.
fn charset(headers: &HeaderMap) -> Option<Charset> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let name = kind.into_iter().flat_map(|kind| kind.split(';').skip(1));
    let mut name = name.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("charset");
        is_it.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match name.next().as_deref() {
        None | Some("utf-8" | "utf8") => Some(Charset::Utf8),
        Some("iso-8859-1" | "latin-1" | "latin1") => Some(Charset::Latin1),
        Some("us-ascii" | "ascii") => Some(Charset::Ascii),
        Some(_) => None,
    }
}

/// As UTF-8; `None` for what is not what it says.
fn decoded(bytes: &[u8], charset: Charset) -> Option<Cow<'_, [u8]>> {
    match charset {
        Charset::Utf8 => std::str::from_utf8(bytes).ok().map(|_| bytes.into()),
        Charset::Ascii => bytes.is_ascii().then(|| bytes.into()),
        Charset::Latin1 => {
            let text: String = bytes.iter().copied().map(char::from).collect();
            Some(Cow::Owned(text.into_bytes()))
        }
    }
}

/// The body ended before its end, or stood still for too long.
pub(super) struct Cut;

/// The next piece of a body.
pub(super) async fn next(body: &mut Body) -> Result<Option<Bytes>, Cut> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        match timeout(limits::BODY_STUCK, frame).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Ok(Some(Err(_))) | Err(_) => return Err(Cut),
        }
    }
}
