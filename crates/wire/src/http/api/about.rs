//! What the server has to offer: its services, and the description of this API.

use super::visit::Visit;
use crate::{Context, Target};
use anywire_session::Service;
use axum::response::{IntoResponse, Json, Response};
use http::header::CONTENT_TYPE;

/// This API, written down.
pub(crate) const OPENAPI: &str = include_str!("../../../../../docs/openapi.json");

/// `GET /api/openapi.json`
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// `GET /api/services`
pub(crate) async fn services(visit: Visit) -> Json<serde_json::Value> {
    let default = default_service(&visit.context);
    let services = offered(&visit).into_iter().map(|service| {
        let default = service.name == default;
        serde_json::json!({ "name": service.name, "io": service.io, "default": default })
    });
    Json(services.collect())
}

/// The services that somebody may have sessions of.
pub(super) fn offered(visit: &Visit) -> Vec<Service> {
    let context = &visit.context;
    let default = default_service(context);
    let mut services = context.registry.services();
    services.retain(|service| {
        // Which name a session would have is asked when there is one.
        let own = service.name == default;
        own || context.reaches(&visit.principal, &service.name, None)
    });
    services
}

/// The service of sessions that name none.
pub(super) fn default_service(context: &Context) -> &str {
    match &context.listener.target {
        Target::New { service } | Target::Named { service, .. } | Target::Lobby { service } => {
            service
        }
    }
}
