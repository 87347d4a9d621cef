//! What watches over a server asks: does it live, may it be sent work, and how is it doing.

use super::Problem;
use crate::Context;
use crate::limits;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use std::sync::Arc;

/// `GET /healthz`: this process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: listeners serve, and programs can be started.
pub(super) async fn ready(State(context): State<Arc<Context>>) -> Result<&'static str, Problem> {
    if context.metrics.is_ready() {
        return Ok("ready\n");
    }
    let detail = "the server is starting or stopping";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with(RETRY_AFTER, HeaderValue::from(limits::RETRY_AFTER)))
}

/// `GET /metrics`, in the text format of OpenMetrics.
pub(super) async fn metrics(State(context): State<Arc<Context>>) -> Result<Response, Problem> {
    let text = context.metrics.text(&context.registry).map_err(|_| {
        let detail = "the metrics cannot be written";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
