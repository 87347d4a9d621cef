//! The first act: the client says what it wants, and is attached to a session.

use super::socket::Ways;
use super::{End, Link, Visitor};
use crate::Target;
use crate::dialect::{Fault, Open};
use crate::metrics::Resume;
use anywire_codec::dialect::native::ErrorCode;
use anywire_model::{Offset, Role, Size};
use anywire_session::{Attach, AttachError, Attachment, Create, CreateError, Session, Start};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

impl Link {
    /// Waits for the opening message, as long as the dialect has patience.
    pub(super) async fn hello(
        &mut self,
        shutdown: &CancellationToken,
    ) -> Result<Open<'static>, End> {
        let patience = self.talk.dialect.patience();
        if patience.is_zero() {
            return self.talk.dialect.silence().map_err(End::Fault);
        }
        let deadline = Instant::now() + patience;
        let mut opened = self.open_turn(false)?;
        loop {
            if let Some(mut open) = opened {
                self.adopt(&mut open);
                return Ok(open);
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(End::Shutdown),
                ready = self.socket.ready(Ways::READ) => {
                    ready.map_err(|_| End::Gone)?;
                    opened = self.open_turn(true)?;
                }
                () = sleep_until(deadline) => {
                    opened = Some(self.talk.dialect.silence().map_err(End::Fault)?);
                }
            }
        }
    }

    fn adopt(&mut self, open: &mut Open<'static>) {
        if let Some(dialect) = open.dialect.take() {
            self.talk.dialect = dialect;
        }
    }
}

/// Finds or makes the session that a client wants, and joins it.
pub(super) async fn attach(visitor: Visitor, open: Open<'static>) -> Result<Attachment, Fault> {
    tracing::debug!(peer = ?visitor.peer, name = %visitor.principal.name, "a client attaches");
    let (session, fresh) = session_for(&visitor, open.session.as_deref(), open.size).await?;
    let granted = visitor.principal.role_at(&visitor.context.listener);
    let role = open.role.map_or(granted, |wanted| wanted.min(granted));
    let start = match open.since {
        // Nothing has left a new session's log, so no picture needs to be drawn.
        _ if fresh => Start::Oldest,
        Some(offset) => Start::Since(offset),
        None => Start::Screen,
    };
    let attach = Attach {
        role,
        start,
        lag: open.lag,
        size: open.size,
        client: open.client,
        answers: open.answers,
        principal: visitor.principal.name.clone(),
    };
    let attachment = session.attach(attach).map_err(|error| match error {
        AttachError::Busy(_) => Fault::new(ErrorCode::Busy, error.to_string()),
        _ => Fault::new(ErrorCode::SpawnFailed, error.to_string()),
    })?;
    if let Some(since) = open.since {
        let metrics = &visitor.context.metrics;
        metrics.resumed(resumed(&attachment, since));
    }
    Ok(attachment)
}

/// The session that a client wants, and whether it was made just now.
pub(crate) async fn session_for(
    visitor: &Visitor,
    key: Option<&str>,
    size: Option<Size>,
) -> Result<(Session, bool), Fault> {
    match key.or(visitor.session.as_deref()) {
        Some(key) => Ok((find(visitor, key)?, false)),
        None => target(visitor, size).await,
    }
}

/// What somebody got who came back for output from `since` on.
fn resumed(attachment: &Attachment, since: Offset) -> Resume {
    let welcome = attachment.welcome();
    if welcome.keyframe {
        Resume::Keyframe
    } else if welcome.from == since && since >= attachment.session().extent().start {
        Resume::Exact
    } else {
        Resume::Gap
    }
}

fn find(visitor: &Visitor, key: &str) -> Result<Session, Fault> {
    visitor
        .context
        .find(&visitor.principal, key)
        .ok_or_else(|| Fault::new(ErrorCode::NoSuchSession, "no session has that id or name"))
}

/// The listener's session, and whether it was made just now.
async fn target(visitor: &Visitor, size: Option<Size>) -> Result<(Session, bool), Fault> {
    let registry = &visitor.context.registry;
    let (name, service) = match &visitor.context.listener.target {
        Target::New { service } | Target::Lobby { service } => (None, service),
        Target::Named { name, service } => (Some(name), service),
    };
    let living = |name| {
        let session = registry.find(name)?;
        session.info().exit.is_none().then_some(session)
    };
    loop {
        if let Some(session) = name.and_then(|name| living(name)) {
            return Ok((session, false));
        }
        if visitor.principal.role == Some(Role::Viewer) {
            let message = "a viewer starts no session; join one";
            return Err(Fault::new(ErrorCode::Forbidden, message));
        }
        let options = Create {
            name: name.cloned(),
            size,
        };
        let error = match registry.create(service, options).await {
            Ok(session) => return Ok((session, true)),
            // Somebody was faster, and may not have it yet.
            Err(CreateError::NameTaken(name)) => match registry.find_started(&name).await {
                Some(session) => return Ok((session, false)),
                None => continue,
            },
            Err(error) => error,
        };
        let code = match error {
            CreateError::Busy(_) | CreateError::ServiceBusy(_) => ErrorCode::Busy,
            CreateError::NoService(_) => ErrorCode::NoSuchSession,
            _ => ErrorCode::SpawnFailed,
        };
        return Err(Fault::new(code, error.to_string()));
    }
}
