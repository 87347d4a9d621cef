//! What a request wants, and the answer.

use super::entry::Entry;
use super::hub::OpenError;
use super::{Hub, Pages, files, input, upload};
use crate::Context;
use crate::admit::Principal;
use crate::dialect::Xwterm;
use crate::http::{Connection, Problem, Speech};
use crate::ws;
use anywire_codec::dialect::xwterm::{
    MAX_ID, Query, cookie_value, decode, print_text, read_cookie, read_size,
};
use anywire_model::Role;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_TYPE, COOKIE, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Any address, any method.
pub(super) async fn answer(
    State(context): State<Arc<Context>>,
    Extension(connection): Extension<Connection>,
    request: Request<Body>,
) -> Response {
    let Some(own) = context.listener.xwterm.clone() else {
        return Problem::new(StatusCode::NOT_FOUND, "no such dialect here").into_response();
    };
    let principal = request.extensions().get::<Principal>().cloned();
    if let Some(principal) = &principal
        && request.method() == Method::GET
        && ws::is_wanted(request.headers())
    {
        let dialect = Box::new(Xwterm::new(own.hub.clone()));
        let speaks = (None, Speech::Dialect(dialect));
        return ws::switch(
            &context,
            &connection,
            principal.clone(),
            None,
            speaks,
            request,
        )
        .unwrap_or_else(Problem::into_response);
    }
    let Some(pages) = &own.pages else {
        let detail = "This is a WebSocket service: connect with ws://, or open the HTTP service.\n";
        let mut response = said(StatusCode::UPGRADE_REQUIRED, detail);
        let websocket = HeaderValue::from_static("websocket");
        response.headers_mut().insert(UPGRADE, websocket);
        return response;
    };
    let visit = Visit {
        context: &context,
        hub: &own.hub,
        pages,
        principal,
    };
    visit.answer(request).await
}

/// A request of the HTTP service.
struct Visit<'a> {
    context: &'a Context,
    hub: &'a Hub,
    pages: &'a Pages,
    principal: Option<Principal>,
}

impl Visit<'_> {
    async fn answer(&self, request: Request<Body>) -> Response {
        let path = decode(request.uri().path(), false);
        let is_root = path == "/";
        let method = request.method();
        let known = matches!(*method, Method::GET | Method::HEAD | Method::PUT)
            || (is_root && method == Method::POST);
        if !known {
            return no_method(is_root);
        }
        let query = Query::parse(request.uri().query().unwrap_or_default());
        if query.session.as_deref().is_some_and(|id| !is_id(id)) {
            return said(StatusCode::BAD_REQUEST, "Bad request");
        }
        let cookie = cookie(request.headers());
        let entry = self.hub.bind(query.session.as_deref(), cookie.as_deref());
        let mut response = self.dispatch(&entry, &path, query, request).await;
        let cookie = format!("session_id={}; Path=/", cookie_value(&entry.id));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    async fn dispatch(
        &self,
        entry: &Arc<Entry>,
        path: &str,
        query: Query,
        request: Request<Body>,
    ) -> Response {
        if request.method() == Method::PUT {
            let role = self.principal.as_ref();
            let role = role.map(|principal| principal.role_at(&self.context.listener));
            if !role.is_some_and(Role::may_write) {
                return said(StatusCode::FORBIDDEN, "a viewer uploads nothing\n");
            }
            return upload::put(self.pages.upload_dir.as_deref(), path, request.into_body()).await;
        }
        let Some(principal) = self.principal.as_ref().filter(|_| path == "/") else {
            return files::file(self.pages, path).await;
        };
        if request.method() == Method::POST {
            return match self.open(entry, principal, None, true).await {
                Ok(Some(viewer)) => input::post(self.hub, &viewer, entry, request).await,
                // An error would lock the client's sender for good, also when there is a shell again.
                _ => said(StatusCode::OK, ""),
            };
        }
        if query.size.is_some() || query.console {
            let size = query.size.as_deref().and_then(read_size);
            let text = match self.open(entry, principal, size, false).await {
                Ok(Some(viewer)) => viewer.take(entry).await,
                Ok(None) => String::new(),
                Err(response) => return response,
            };
            let mut json = Vec::with_capacity(text.len() + 16);
            print_text(&text, &mut json);
            return typed(StatusCode::OK, JSON, json);
        }
        if query.sessions {
            let rows = self.hub.list(entry);
            return typed(
                StatusCode::OK,
                JSON,
                serde_json::to_vec(&rows).unwrap_or_default(),
            );
        }
        if let Some(id) = &query.kill {
            self.hub.kill(id, principal, &self.context.listener);
            return typed(StatusCode::OK, JSON, "{}");
        }
        files::file(self.pages, path).await
    }

    /// The shell of whoever polls or types.
    async fn open(
        &self,
        entry: &Arc<Entry>,
        principal: &Principal,
        size: Option<anywire_model::Size>,
        wait: bool,
    ) -> Result<Option<Arc<super::viewer::Viewer>>, Response> {
        let opened = self.hub.open(entry, self.context, principal, size, wait);
        opened.await.map_err(|error| {
            tracing::warn!(sid = ?entry.id, %error, "no shell");
            let status = match error {
                OpenError::Viewer => StatusCode::FORBIDDEN,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            said(status, &format!("no shell: {error}\n"))
        })
    }
}

/// Whether a client may call a session so: it must fit a header and a log.
fn is_id(id: &str) -> bool {
    id.len() <= MAX_ID && !id.chars().any(char::is_control)
}

/// The id that a client kept. Other cookies, and what is none, are nobody's fault.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).iter();
    let mut ids = all.filter_map(|header| read_cookie(header.to_str().ok()?));
    ids.next_back().filter(|id| is_id(id))
}

fn no_method(is_root: bool) -> Response {
    let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
    let allow = if is_root {
        "GET,HEAD,POST,PUT"
    } else {
        "GET,HEAD,PUT"
    };
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// A sentence.
pub(super) fn said(status: StatusCode, text: &str) -> Response {
    typed(status, TEXT, text.to_owned())
}

pub(super) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
