//! What a request does to a session: input, a size, a signal.

use super::body::{Words, bytes, json, switch};
use super::sessions::checked_size;
use super::visit::{Visit, ended, refused};
use crate::http::Problem;
use crate::limits;
use anywire_model::{Intent, Signal};
use anywire_session::{Applied, Refused, Session};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Json;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputWords {
    /// The input ends behind the body.
    #[serde(default, deserialize_with = "switch")]
    eof: bool,
}

/// `POST /api/sessions/{id or name}/input`: the body as it is. Says how much of it the program was given within
/// [`limits::INPUT`].
pub(crate) async fn input(
    visit: Visit,
    Words(words): Words<InputWords>,
    request: Request<Body>,
) -> Result<Json<serde_json::Value>, Problem> {
    let session = visit.to_write()?;
    let deadline = Instant::now() + limits::INPUT;
    let input = bytes(request, limits::INPUT_BYTES, limits::INPUT).await?;
    let taken = give(&session, &visit, &input, deadline).await?;
    if words.eof && taken == input.len() {
        apply(&session, &visit, Intent::CloseInput)?;
    }
    Ok(Json(serde_json::json!({ "taken": taken })))
}

/// Gives the program input until it has taken all or the deadline has come; returns how much it took.
async fn give(
    session: &Session,
    visit: &Visit,
    input: &[u8],
    deadline: Instant,
) -> Result<usize, Problem> {
    let mut taken = 0;
    while taken < input.len() {
        let piece = Intent::Input {
            offset: None,
            bytes: &input[taken..],
        };
        match session.act(visit.role, visit.by(), piece) {
            Ok(Applied::Taken(n)) if n > 0 => taken += n,
            Ok(_) => {
                if timeout_at(deadline, session.input_ready()).await.is_err() {
                    break;
                }
            }
            // What was taken before is worth more than why the rest was not.
            Err(Refused::InputClosed) if taken > 0 => break,
            Err(error) => return Err(refused(session, error)),
        }
        // A program that reads all the time must not keep others waiting.
        tokio::task::yield_now().await;
        if Instant::now() >= deadline {
            break;
        }
    }
    Ok(taken)
}

fn apply(session: &Session, visit: &Visit, intent: Intent<'_>) -> Result<(), Problem> {
    let applied = session.act(visit.role, visit.by(), intent);
    applied.map(drop).map_err(|error| refused(session, error))
}

/// For what would have no effect on a program that has ended.
fn living(session: &Session) -> Result<(), Problem> {
    match ended(session) {
        None => Ok(()),
        Some(reason) => {
            let detail = format!("the session has ended: {reason}");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resize {
    cols: u64,
    rows: u64,
}

/// `POST /api/sessions/{id or name}/resize`
pub(crate) async fn resize(visit: Visit, request: Request<Body>) -> Result<StatusCode, Problem> {
    let session = visit.to_write()?;
    let Resize { cols, rows } = json(request).await?;
    let size = checked_size(cols, rows)?;
    living(&session)?;
    apply(&session, &visit, Intent::Resize(size))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    signal: Signal,
}

/// `POST /api/sessions/{id or name}/signal`
pub(crate) async fn signal(visit: Visit, request: Request<Body>) -> Result<StatusCode, Problem> {
    let session = visit.to_write()?;
    let Send { signal } = json(request).await?;
    living(&session)?;
    apply(&session, &visit, Intent::Signal(signal))?;
    Ok(StatusCode::NO_CONTENT)
}
