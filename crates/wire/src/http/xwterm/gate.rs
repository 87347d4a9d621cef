//! Admission to this dialect's addresses, by the same judge as everywhere; and headers that its pages can live with.

use crate::Context;
use crate::admit::Need;
use crate::http::gate::judge;
use crate::ws;
use anywire_codec::dialect::xwterm::Query;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use std::sync::Arc;

/// The pages have scripts in them and frame each other, so little more than the frames can be said.
const CSP: &str = "frame-ancestors 'self'; base-uri 'self'; form-action 'self'";

pub(super) async fn gate(
    State(context): State<Arc<Context>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let need = need(&context, &request);
    let mut response = match judge(&context, request, need).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CSP));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// A link from another site may lead to a page, and to nothing else. Where the listener asks who comes, it asks always.
fn need(context: &Context, request: &Request<Body>) -> Need {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || ws::is_wanted(request.headers()) {
        return Need::PrincipalAndPage;
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let acts = request.uri().path() == "/" && query.is_about_terminals();
    if context.listener.auth || acts || query.session.is_some() {
        Need::Principal
    } else {
        Need::Nothing
    }
}
