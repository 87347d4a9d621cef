//! What a terminal shows, as text or JSON.

use super::body::{Words, switch};
use super::output::FROM;
use super::visit::Visit;
use crate::http::Problem;
use crate::limits;
use axum::response::{IntoResponse, Json, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScreenWords {
    format: Option<Format>,
    /// With the cells' attributes.
    #[serde(default, deserialize_with = "switch")]
    cells: bool,
}

/// `GET /api/sessions/{id or name}/screen`
pub(crate) async fn screen(
    visit: Visit,
    Words(words): Words<ScreenWords>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visit.session()?;
    let format = words.format.unwrap_or_else(|| accepted(&headers));
    let picture = timeout(limits::SCREEN, session.picture(words.cells)).await;
    let picture = picture.map_err(|_| {
        let detail = "the screen is not drawn yet; try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let (offset, picture) = picture.ok_or_else(|| {
        let detail = "this session has no terminal; its output is at .../output";
        Problem::new(StatusCode::CONFLICT, detail)
    })?;
    let mut response = match format {
        Format::Json => Json(picture).into_response(),
        Format::Text => {
            let text = picture.rows.join("\n") + "\n";
            let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            (plain, text).into_response()
        }
    };
    response
        .headers_mut()
        .insert(FROM, HeaderValue::from(offset));
    Ok(response)
}

/// JSON for who asks for it by name, text for everybody else.
fn accepted(headers: &HeaderMap) -> Format {
    let names_json = |value: &HeaderValue| {
        let json = b"application/json";
        value
            .as_bytes()
            .windows(json.len())
            .any(|name| name.eq_ignore_ascii_case(json))
    };
    if headers.get_all(ACCEPT).iter().any(names_json) {
        Format::Json
    } else {
        Format::Text
    }
}
