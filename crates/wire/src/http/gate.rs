//! The one layer that every request passes, on every route and on none: admission before, security headers after.
//!
//! What is not listed as public needs a principal; a new route is closed until somebody opens it here.

use super::{Connection, Problem, page};
use crate::Context;
use crate::admit::{Need, Refusal};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, UPGRADE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;

/// Scripts, styles and connections of our own origin only, nothing inline, no frames around us.
const CSP: &str = include_str!("../../../../web/CSP.txt");

/// Judges a request, and if it may pass leaves its principal with it.
pub(super) async fn gate(
    State(context): State<Arc<Context>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let mut response = match admit(&context, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    secure(response.headers_mut());
    response
}

async fn admit(context: &Context, request: Request<Body>) -> Result<Request<Body>, Problem> {
    let need = need(request.method(), request.uri().path(), request.headers());
    judge(context, request, need).await
}

/// Judges a request that needs this.
pub(super) async fn judge(
    context: &Context,
    request: Request<Body>,
    need: Need,
) -> Result<Request<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let Some(connection) = parts.extensions.get::<Connection>() else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a request without a connection",
        ));
    };
    let judged = context.admission.request(&parts, connection.way, need);
    let judged = judged.await;
    if !matches!(judged, Ok(None)) {
        context.metrics.judged(judged.as_ref().err());
    }
    match judged {
        Ok(None) => {}
        Ok(Some(principal)) => {
            // A monitor on this machine has not said who it is.
            if need != Need::PrincipalUnlessLocal {
                connection.is_known();
            }
            parts.extensions.insert(principal);
        }
        Err(refusal) => {
            let problem = Problem::from(refusal);
            let challenge = context.admission.challenge(&parts.headers);
            return Err(match challenge {
                Some(challenge) if matches!(refusal, Refusal::Unauthorized | Refusal::Wrong) => {
                    problem.with(WWW_AUTHENTICATE, challenge)
                }
                _ => problem,
            });
        }
    }
    Ok(Request::from_parts(parts, body))
}

/// What a request needs besides a proper `Host` and `Origin`.
fn need(method: &Method, path: &str, headers: &HeaderMap) -> Need {
    let read = method == Method::GET || method == Method::HEAD;
    let public = match path {
        "/healthz" => read,
        "/api/login" => read || method == Method::POST,
        path => read && page::exists(path),
    };
    if public {
        Need::Nothing
    } else if read && matches!(path, "/readyz" | "/metrics") {
        Need::PrincipalUnlessLocal
    } else if read && path != "/ws" && !headers.contains_key(UPGRADE) {
        Need::Principal
    } else {
        Need::PrincipalAndPage
    }
}

fn secure(headers: &mut HeaderMap) {
    let always = [
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page says itself how long it keeps.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}
