//! Sessions by messages: `open`, `input`, `resize`, `signal`, `read`, `close`, `list` (docs/framed.md).
//!
//! An open session is an attachment that types; reading is another one for as long as one answer takes, because where
//! to read from is the client's to say. So a client that does not read holds up no program.

mod action;
mod read;

use super::service::{Answer, Caller, Conversation, Service};
use crate::link::{Visitor, session_for};
use action::{Action, Input, Open, Read, parse};
use anywire_codec::dialect::native::ErrorCode;
use anywire_codec::framed::{Code, Header, Reply};
use anywire_model::{Intent, Role, SessionId, Size};
use anywire_session::{Applied, Attach, AttachError, Attachment, Lag, Refused, Session, Start};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Sessions that one connection may have open.
const OPEN: usize = 16;
/// How long a program may take none of its input.
const INPUT: Duration = Duration::from_secs(10);

/// The service that drives sessions.
#[derive(Clone, Copy, Debug)]
pub struct Bridge;

impl Service for Bridge {
    fn begin(&self, caller: Caller) -> Box<dyn Conversation> {
        Box::new(Driver {
            visitor: caller.0,
            opened: Vec::new(),
        })
    }
}

/// A session that a client has open.
struct Opened {
    attachment: Attachment,
    /// Where the next `read` begins that does not say it.
    next: Start,
}

impl Opened {
    fn session(&self) -> &Session {
        self.attachment.session()
    }
}

/// One client.
struct Driver {
    visitor: Visitor,
    opened: Vec<Opened>,
}

impl Conversation for Driver {
    fn answer<'a>(&'a mut self, header: &'a Header<'a>, content: &'a [u8]) -> Answer<'a> {
        let limits = &self.visitor.context.listener.framed.limits;
        let action = if header.is_json() {
            match parse(header, content, limits) {
                Ok(action) => action,
                Err(reply) => return Answer::Now(reply),
            }
        } else {
            Action::Input(Input::of_bytes(content.to_vec()))
        };
        Answer::Later(Box::pin(async move {
            let done = self.act(action).await;
            done.unwrap_or_else(|refusal| refusal)
        }))
    }
}

impl Driver {
    async fn act(&mut self, action: Action) -> Result<Reply, Reply> {
        match action {
            Action::Open(open) => self.open(open).await,
            Action::Input(input) => self.input(input).await,
            Action::Resize(resize) => {
                let size = resize.size()?;
                self.intent(resize.session.as_deref(), Intent::Resize(size))
            }
            Action::Signal(signal) => {
                let intent = Intent::Signal(signal.signal);
                self.intent(signal.session.as_deref(), intent)
            }
            Action::Read(read) => self.read(read).await,
            Action::Close(close) => {
                let index = self.index(close.session.as_deref())?;
                if close.kill {
                    let killed = self.opened[index].attachment.apply(Intent::Kill);
                    killed.map_err(refused)?;
                }
                self.opened.remove(index);
                Ok(Reply::result("ok"))
            }
            Action::List => {
                let sessions = self.visitor.context.list(&self.visitor.principal);
                Ok(Reply::json(&json!({"result": "ok", "sessions": sessions})))
            }
        }
    }

    async fn open(&mut self, open: Open) -> Result<Reply, Reply> {
        if self.opened.len() >= OPEN {
            let message = format!("{OPEN} sessions are open on this connection; close one first");
            return Err(Reply::refusal(Code::Busy, &message));
        }
        let size = open.size()?;
        let (session, fresh) = session_for(&self.visitor, open.session.as_deref(), size)
            .await
            .map_err(|fault| Reply::refusal(code(fault.code), &fault.message))?;
        let visitor = &self.visitor;
        let granted = visitor.principal.role_at(&visitor.context.listener);
        let role = open.role.map_or(granted, |wanted| wanted.min(granted));
        let attach = self.attach(role, size, Start::Now);
        let attachment = session.attach(attach).map_err(busy)?;
        let next = match (open.since, fresh) {
            (Some(since), _) => Start::Since(since),
            (None, true) => Start::Oldest,
            (None, false) => Start::Screen,
        };
        let info = session.info();
        self.opened.push(Opened { attachment, next });
        Ok(Reply::json(&json!({
            "result": "ok", "session": info.id, "name": info.name, "service": info.service, "io": info.io,
            "role": role, "head": info.head, "cols": info.size.cols, "rows": info.size.rows,
        })))
    }

    fn attach(&self, role: Role, size: Option<Size>, start: Start) -> Attach {
        Attach {
            role,
            start,
            lag: Some(Lag::Resync),
            size,
            client: None,
            answers: false,
            principal: self.visitor.principal.name.clone(),
        }
    }

    /// Gives the program as much as it takes within [`INPUT`]; the client is told how much that was.
    async fn input(&mut self, input: Input) -> Result<Reply, Reply> {
        let bytes = input.bytes()?;
        let index = self.index(input.session.as_deref())?;
        let attachment = &mut self.opened[index].attachment;
        let (mut taken, deadline) = (0, Instant::now() + INPUT);
        while taken < bytes.len() {
            let intent = Intent::Input {
                offset: None,
                bytes: &bytes[taken..],
            };
            if let Applied::Taken(n) = attachment.apply(intent).map_err(refused)? {
                taken += n;
            }
            if taken < bytes.len()
                && timeout_at(deadline, attachment.input_ready())
                    .await
                    .is_err()
            {
                break;
            }
        }
        if input.eof && taken == bytes.len() {
            attachment.apply(Intent::CloseInput).map_err(refused)?;
        }
        Ok(Reply::json(&json!({"result": "ok", "taken": taken})))
    }

    async fn read(&mut self, read: Read) -> Result<Reply, Reply> {
        let index = self.index(read.session.as_deref())?;
        let start = read.since.map_or(self.opened[index].next, Start::Since);
        let attach = self.attach(Role::Viewer, None, start);
        let attachment = self.opened[index].session().attach(attach).map_err(busy)?;
        let (reply, next) = read::output(attachment, read.max(), read.wait()).await;
        self.opened[index].next = Start::Since(next);
        Ok(reply)
    }

    fn intent(&mut self, session: Option<&str>, intent: Intent<'_>) -> Result<Reply, Reply> {
        let index = self.index(session)?;
        let attachment = &mut self.opened[index].attachment;
        attachment.apply(intent).map_err(refused)?;
        Ok(Reply::result("ok"))
    }

    /// The session that is meant: the one named, or the only one.
    fn index(&self, key: Option<&str>) -> Result<usize, Reply> {
        let is = |key: &str, session: &Session| {
            key == &*session.name() || key.parse::<SessionId>() == Ok(session.id())
        };
        let found = match key {
            Some(key) => self.opened.iter().position(|one| is(key, one.session())),
            None if self.opened.len() == 1 => Some(0),
            None => None,
        };
        found.ok_or_else(|| {
            let message = match key {
                Some(_) => "no session of that id or name is open on this connection",
                None if self.opened.is_empty() => "no session is open; send {\"action\": \"open\"}",
                None => "several sessions are open; say which with \"session\"",
            };
            Reply::refusal(Code::NoSuchSession, message)
        })
    }
}

fn busy(error: AttachError) -> Reply {
    Reply::refusal(Code::Busy, &error.to_string())
}

fn refused(refused: Refused) -> Reply {
    let code = match refused {
        Refused::Role => Code::Forbidden,
        _ => Code::BadRequest,
    };
    Reply::refusal(code, &refused.to_string())
}

fn code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::NoSuchSession => Code::NoSuchSession,
        ErrorCode::Busy => Code::Busy,
        ErrorCode::Forbidden => Code::Forbidden,
        ErrorCode::SpawnFailed => Code::Internal,
        _ => Code::BadRequest,
    }
}
