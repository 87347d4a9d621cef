//! Output as a body: from an offset to the end of what there is, or on and on until the program ends.
//!
//! A body holds output bytes and nothing else, so that `Anywire-From` and the bytes that came say where to go on. Where
//! the log has moved on before a reader could take it, the body is cut off: it never skips in silence.

mod reader;

use super::body::{Words, offset, switch};
use super::visit::Visit;
use crate::http::Problem;
use crate::limits;
use crate::metrics::Wire;
use anywire_model::{ExitReason, Offset, Role, Stream};
use anywire_session::{Attach, AttachError, Lag, Start};
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRAILER};
use http::{HeaderName, HeaderValue, StatusCode};
use reader::{Pump, Reader};
use serde::Deserialize;

/// The offset of the first byte that follows.
pub(super) const FROM: HeaderName = HeaderName::from_static("anywire-from");
/// The offset behind the last byte there was when the answer began.
const HEAD: HeaderName = HeaderName::from_static("anywire-head");
/// The offset to go on from.
pub(super) const NEXT: HeaderName = HeaderName::from_static("anywire-next");
/// How the session ended, as JSON.
pub(super) const EXIT: HeaderName = HeaderName::from_static("anywire-exit");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputWords {
    /// The first byte wanted; the oldest one kept without it.
    #[serde(default, deserialize_with = "offset")]
    since: Option<Offset>,
    /// Goes on until the program ends.
    #[serde(default, deserialize_with = "switch")]
    follow: bool,
    /// Refuses rather than begin later than asked.
    #[serde(default, deserialize_with = "switch")]
    exact: bool,
    /// One of a piped program's two outputs.
    stream: Option<Stream>,
}

/// `GET /api/sessions/{id or name}/output`
pub(crate) async fn output(
    visit: Visit,
    Words(words): Words<OutputWords>,
) -> Result<Response, Problem> {
    let session = visit.session()?;
    let kept = session.extent();
    let since = words.since.unwrap_or(kept.start);
    let now = |problem: Problem| {
        problem
            .with(FROM, HeaderValue::from(kept.start))
            .with(HEAD, HeaderValue::from(kept.end))
    };
    if since > kept.end {
        let detail = format!("there is no output at {since} yet: it ends at {}", kept.end);
        return Err(now(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)));
    }
    if words.exact && since < kept.start {
        return Err(now(gone(since, kept.start)));
    }
    // Before the output is looked at: what ended then grows no more.
    let exit = super::visit::ended(&session);
    let attachment = session
        .attach(attach(&visit, since))
        .map_err(|error| not_attached(&error))?;
    let head = attachment.welcome().head;
    let mut reader = Reader::new(attachment, words.stream, (!words.follow).then_some(head));
    reader.begin();
    let from = reader.from();
    if words.exact && from > since {
        return Err(now(gone(since, from)));
    }
    let exact_length = !words.follow && words.stream.is_none();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(FROM, HeaderValue::from(from));
    headers.insert(HEAD, HeaderValue::from(head.max(from)));
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, kind);
    match exit.as_ref().and_then(exit_value) {
        Some(exit) => drop(headers.insert(EXIT, exit)),
        None if exact_length => {}
        None => drop(headers.insert(
            TRAILER,
            HeaderValue::from_static("anywire-next, anywire-exit"),
        )),
    }
    if exact_length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(head.saturating_sub(from)));
    }
    let meter = visit.context.metrics.attached(Wire::Rest);
    *response.body_mut() = Body::new(Pump::new(reader, meter));
    Ok(response)
}

/// A viewer that answers for nothing, and may be back.
fn attach(visit: &Visit, since: Offset) -> Attach {
    let mut name = [0; 8];
    // Without randomness the session only forgets a moment earlier that somebody was there.
    let named = getrandom::fill(&mut name).is_ok();
    Attach {
        role: Role::Viewer,
        start: Start::Bytes(since),
        lag: Some(Lag::Drop),
        size: None,
        client: named.then_some(u64::from_ne_bytes(name)),
        answers: false,
        principal: visit.principal.name.clone(),
    }
}

fn gone(since: Offset, from: Offset) -> Problem {
    let detail = format!("output at {since} is no longer kept: the oldest is at {from}");
    Problem::new(StatusCode::GONE, detail)
}

fn not_attached(error: &AttachError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        .with(RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER))
}

/// A reason as a header's value.
fn exit_value(reason: &ExitReason) -> Option<HeaderValue> {
    let json = serde_json::to_vec(reason).ok()?;
    HeaderValue::from_bytes(&json).ok()
}
