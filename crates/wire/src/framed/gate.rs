//! The password: the first message of a connection, where one is asked for.

use super::USER;
use crate::admit::{Refusal, Secret};
use crate::link::Visitor;
use crate::peer::Peer;
use anywire_codec::framed::{Code, Limits, Message, Reply, content};
use serde_json::Value;

/// Bytes of content that a stranger may send: enough for a name and a password, and what is kept for so many strangers
/// that nobody has let in.
const CONTENT: u64 = 4096;

/// What such a message may have at most.
pub(super) fn limits(limits: Limits) -> Limits {
    Limits {
        content: limits.content.min(CONTENT),
        ..limits
    }
}

/// What is said of any other message.
pub(super) fn required() -> Reply {
    let message = "the first message must be {\"action\": \"auth\", \"password\": ...}";
    Reply::error(Code::AuthRequired, message)
}

/// What such a message brings.
struct Login {
    user: Option<String>,
    password: String,
}

/// Judges the first message. The visitor is who the secret says.
pub(super) async fn judge(visitor: &mut Visitor, message: &Message<'_>) -> Result<Reply, Reply> {
    let limits = &visitor.context.listener.framed.limits;
    let Some(Login { user, password }) = login(message, limits) else {
        return Err(required());
    };
    let Peer::Ip(address) = visitor.peer else {
        return Ok(Reply::result("ok"));
    };
    let admission = &visitor.context.admission;
    let nobody = admission.is_user(USER).then_some(USER);
    let secret = match user.as_deref().or(nobody) {
        Some(user) => Secret::Password {
            user,
            password: &password,
        },
        None => Secret::Any(&password),
    };
    let judged = admission.login(address.ip(), secret).await;
    visitor.context.metrics.judged(judged.as_ref().err());
    match judged {
        Ok(grant) => {
            visitor.principal = grant.principal(visitor.peer);
            Ok(Reply::result("ok"))
        }
        Err(refusal @ Refusal::Wait(_)) => {
            Err(Reply::error(Code::TooManyFailures, &refusal.to_string()))
        }
        Err(Refusal::Busy) => {
            let message = "too many passwords are being checked; try again in a moment";
            Err(Reply::error(Code::Busy, message))
        }
        Err(_) => Err(Reply::error(Code::AuthFailed, "wrong password")),
    }
}

fn login(message: &Message<'_>, limits: &Limits) -> Option<Login> {
    if !message.header.is_json() {
        return None;
    }
    let value = content::json(&message.header, message.content, limits).ok()?;
    let user = match value.get("user") {
        None => None,
        Some(Value::String(user)) => Some(user.clone()),
        Some(_) => return None,
    };
    match (value.get("action")?.as_str()?, value.get("password")?) {
        ("auth", Value::String(password)) => Some(Login {
            user,
            password: password.clone(),
        }),
        _ => None,
    }
}
