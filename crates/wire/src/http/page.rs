//! The page: files that were embedded when the program was built.

use super::Problem;
use super::routes::no_method;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use std::borrow::Cow;

/// The built page. A build without it serves everything else.
#[derive(rust_embed::RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// The file behind a path of the address.
fn name(path: &str) -> &str {
    match path.strip_prefix('/') {
        Some("") => "index.html",
        Some(name) => name,
        None => "",
    }
}

/// Whether the page has a file at this path.
pub(super) fn exists(path: &str) -> bool {
    path == "/" || Files::get(name(path)).is_some()
}

/// Every path of the page.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = String> {
    Files::iter().map(|name| format!("/{name}"))
}

/// A file, or 304 if the client has it.
pub(super) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let name = name(uri.path());
    let Some(file) = Files::get(name) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
            .into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return no_method().await.into_response();
    }
    let etag = format!(
        "\"{}\"",
        HEXLOWER.encode(&file.metadata.sha256_hash()[..16])
    );
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = match file.data {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        };
        let mut response = Response::new(body);
        let kind = HeaderValue::from_static(content_type(name));
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    // Asked for again each time, answered by 304: a new server's page is seen at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
