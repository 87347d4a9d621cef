//! What the server has to offer: its services, and the description of this API.

use crate::{Context, Target};
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::header::CONTENT_TYPE;
use std::sync::Arc;

/// This API, written down.
pub(crate) const OPENAPI: &str = include_str!("../../../../../docs/openapi.json");

/// `GET /api/openapi.json`
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// `GET /api/services`
pub(crate) async fn services(State(context): State<Arc<Context>>) -> Json<serde_json::Value> {
    let default = default_service(&context);
    let services = context.registry.services().into_iter();
    let services = services.map(|service| {
        let default = service.name == default;
        serde_json::json!({ "name": service.name, "io": service.io, "default": default })
    });
    Json(services.collect())
}

/// The service of sessions that name none.
pub(super) fn default_service(context: &Context) -> &str {
    match &context.listener.target {
        Target::New { service } | Target::Named { service, .. } | Target::Lobby { service } => {
            service
        }
    }
}
