//! Errors as `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

/// An error response.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<crate::admit::Refusal> for Problem {
    fn from(refusal: crate::admit::Refusal) -> Self {
        use crate::admit::{Refusal, retry_after};
        let detail = refusal.to_string();
        match refusal {
            Refusal::Host => Self::new(StatusCode::MISDIRECTED_REQUEST, detail),
            Refusal::Origin => Self::new(StatusCode::FORBIDDEN, detail),
            Refusal::Unauthorized | Refusal::Wrong => Self::new(StatusCode::UNAUTHORIZED, detail),
            Refusal::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .with(RETRY_AFTER, HeaderValue::from_static("1")),
            Refusal::Wait(wait) => Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .with(RETRY_AFTER, HeaderValue::from(retry_after(wait))),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}
