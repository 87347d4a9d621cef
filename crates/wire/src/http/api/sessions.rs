//! Sessions as a list and one by one: create, look up, rename, end.

use super::about::{self, default_service};
use super::body::{json, json_or_default};
use super::visit::{Visit, forbidden, refused};
use crate::Target;
use crate::http::Problem;
use anywire_model::{Intent, Size};
use anywire_session::{Create, CreateError, RenameError, Session, SessionInfo};
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Json, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

/// A session as it is shown.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    info: SessionInfo,
    /// What a terminal's program has set as its title.
    title: Option<String>,
}

impl Shown {
    fn of(session: &Session) -> Self {
        Self {
            info: session.info(),
            title: session.title(),
        }
    }
}

/// `GET /api/sessions`
pub(crate) async fn list(visit: Visit) -> Json<Vec<Shown>> {
    let context = &visit.context;
    let list = context.list(&visit.principal).into_iter();
    let shown = list.map(|info| Shown {
        title: context
            .registry
            .find(&info.id.to_string())
            .and_then(|session| session.title()),
        info,
    });
    Json(shown.collect())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    service: Option<String>,
    name: Option<String>,
    cols: Option<u64>,
    rows: Option<u64>,
}

/// `POST /api/sessions`
pub(crate) async fn create(visit: Visit, request: Request<Body>) -> Result<Response, Problem> {
    if !visit.role.may_write() {
        return Err(forbidden("a viewer may not create sessions"));
    }
    let wanted: Wanted = json_or_default(request).await?;
    let options = Create {
        name: wanted.name,
        size: match (wanted.cols, wanted.rows) {
            (None, None) => None,
            (Some(cols), Some(rows)) => Some(checked_size(cols, rows)?),
            _ => return Err(bad("cols and rows belong together")),
        },
    };
    let service = wanted.service.as_deref();
    let service = service.unwrap_or_else(|| default_service(&visit.context));
    let context = &visit.context;
    let exists = context
        .registry
        .services()
        .iter()
        .any(|it| it.name == service);
    if exists && !context.reaches(&visit.principal, service, options.name.as_deref()) {
        return Err(forbidden(&match &context.listener.target {
            Target::Named { name, .. } => {
                format!("nobody logs in at this address: it is for the session {name} only")
            }
            Target::New { service } | Target::Lobby { service } => {
                format!("nobody logs in at this address: it has sessions of {service} only")
            }
        }));
    }
    let session = visit.context.registry.create(service, options).await;
    let session = session.map_err(|error| not_created(error, &visit))?;
    session.touch();
    let mut response = (StatusCode::CREATED, Json(Shown::of(&session))).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/sessions/{}", session.id())) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The names of the services that somebody may have sessions of.
fn offered(visit: &Visit) -> String {
    let names = about::offered(visit)
        .into_iter()
        .map(|service| service.name);
    names.collect::<Vec<_>>().join(", ")
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn not_created(error: CreateError, visit: &Visit) -> Problem {
    let detail = error.to_string();
    match error {
        CreateError::NoService(_) => bad(format!("{detail}; there are: {}", offered(visit))),
        CreateError::BadName(_) => bad(detail),
        CreateError::NameTaken(_) => Problem::new(StatusCode::CONFLICT, detail),
        CreateError::Busy(_) | CreateError::ServiceBusy(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .with(RETRY_AFTER, HeaderValue::from_static("10"))
        }
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
    }
}

/// A size that a terminal can have.
pub(super) fn checked_size(cols: u64, rows: u64) -> Result<Size, Problem> {
    Size::checked(cols, rows).ok_or_else(|| {
        let max = Size::MAX;
        bad(format!(
            "a terminal has 1 to {} columns and 1 to {} rows",
            max.cols, max.rows
        ))
    })
}

/// `GET /api/sessions/{id or name}`
pub(crate) async fn session(visit: Visit) -> Result<Json<Shown>, Problem> {
    Ok(Json(Shown::of(&visit.session()?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    name: String,
}

/// `PATCH /api/sessions/{id or name}`
pub(crate) async fn rename(visit: Visit, request: Request<Body>) -> Result<Json<Shown>, Problem> {
    let session = visit.to_own()?;
    let Rename { name } = json(request).await?;
    let registry = &visit.context.registry;
    let renamed = registry.rename(&session, visit.role, name);
    renamed.map_err(|error| {
        let detail = error.to_string();
        match error {
            RenameError::Role => forbidden(&detail),
            RenameError::NameTaken(_) => Problem::new(StatusCode::CONFLICT, detail),
            _ => bad(detail),
        }
    })?;
    Ok(Json(Shown::of(&session)))
}

/// `DELETE /api/sessions/{id or name}`
pub(crate) async fn kill(visit: Visit) -> Result<StatusCode, Problem> {
    let session = visit.to_own()?;
    let killed = session.act(visit.role, visit.by(), Intent::Kill);
    killed.map_err(|error| refused(&session, error))?;
    Ok(StatusCode::ACCEPTED)
}
