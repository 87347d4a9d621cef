//! Who asks about which session, and what he may do with it.

use crate::Context;
use crate::admit::Principal;
use crate::http::Problem;
use anywire_model::{ExitReason, Role};
use anywire_session::{Refused, Session};
use axum::extract::{FromRequestParts, Path};
use http::StatusCode;
use http::request::Parts;
use std::sync::Arc;

/// A request for a session, or for all of them.
pub(crate) struct Visit {
    pub(super) context: Arc<Context>,
    pub(super) principal: Principal,
    pub(super) role: Role,
    /// Id or name, where the address has one.
    key: String,
}

impl FromRequestParts<Arc<Context>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, Problem> {
        let key = Path::<String>::from_request_parts(parts, context).await;
        let extensions = &parts.extensions;
        let Some(principal) = extensions.get::<Principal>() else {
            let detail = "a request that nobody has judged";
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        };
        Ok(Self {
            context: context.clone(),
            principal: principal.clone(),
            role: principal.role_at(&context.listener),
            key: key.map_or_else(|_| String::new(), |Path(key)| key),
        })
    }
}

impl Visit {
    /// The session that the address names.
    pub(super) fn session(&self) -> Result<Session, Problem> {
        self.context
            .find(&self.principal, &self.key)
            .ok_or_else(|| {
                let detail = "no session has that id or name; GET /api/sessions lists them";
                Problem::new(StatusCode::NOT_FOUND, detail)
            })
    }

    /// The same for somebody who wants to change it.
    pub(super) fn to_write(&self) -> Result<Session, Problem> {
        if self.role.may_write() {
            self.session()
        } else {
            Err(forbidden("a viewer may only look"))
        }
    }

    /// The same for somebody who wants to end or rename it.
    pub(super) fn to_own(&self) -> Result<Session, Problem> {
        if self.role.may_own() {
            self.session()
        } else {
            Err(forbidden("only an owner may end or rename a session"))
        }
    }

    /// Who asks, for the reasons of what he does.
    pub(super) fn by(&self) -> &str {
        &self.principal.name
    }
}

pub(super) fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// Why a session did not do what it was asked.
pub(super) fn refused(session: &Session, refused: Refused) -> Problem {
    match (refused, ended(session)) {
        (Refused::Role, _) => forbidden("this role may not do that"),
        (_, Some(reason)) => {
            let detail = format!("the session has ended: {reason}");
            Problem::new(StatusCode::CONFLICT, detail)
        }
        (refused, None) => Problem::new(StatusCode::CONFLICT, refused.to_string()),
    }
}

/// How a session ended, if it did.
pub(super) fn ended(session: &Session) -> Option<ExitReason> {
    session.has_ended().then(|| session.info().exit).flatten()
}
