//! What a request carries, within limits: a body of bytes or JSON, and the words behind the question mark.

use crate::http::Problem;
use crate::limits;
use anywire_model::Offset;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Query, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use std::time::Duration;

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
            "the body is JSON: say Content-Type: application/json",
        ));
    }
    let body = bytes(request, limits::BODY_BYTES, limits::BODY).await?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, what_is_wrong(&error)))
}

/// What is wrong with a body. Its place is of no use where the whole thing is a line long and about one key.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.classify() != Category::Data {
        return format!("the body is no JSON: {text}");
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The same where nothing at all stands for the default.
pub(super) async fn json_or_default<T: DeserializeOwned + Default>(
    request: Request<Body>,
) -> Result<T, Problem> {
    if request.body().is_end_stream() {
        return Ok(T::default());
    }
    json(request).await
}

/// The whole body, of at most `max` bytes, within `patience`.
pub(super) async fn bytes(
    request: Request<Body>,
    max: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    let body = axum::body::to_bytes(request.into_body(), max);
    tokio::time::timeout(patience, body)
        .await
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?
        .map_err(|_| {
            let detail = format!("the body is cut, or longer than {max} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        })
}

/// How the reader of queries begins what it has to say.
const QUERY: &str = "Failed to deserialize query string: ";

/// The words behind the question mark; unknown ones are an error, since they were meant to do something.
pub(crate) struct Words<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Words<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(words)| Self(words))
            .map_err(|error| {
                let detail = error.body_text();
                let detail = detail.strip_prefix(QUERY).unwrap_or(&detail);
                Problem::new(StatusCode::BAD_REQUEST, detail)
            })
    }
}

/// A place in the output.
pub(super) fn offset<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Offset>, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom("a whole number of bytes, counted from the session's start")
    })
}

/// A switch: `1` or `true`, `0` or `false`.
pub(super) fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    match &*text {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(serde::de::Error::custom("a switch is 1 or 0")),
    }
}
