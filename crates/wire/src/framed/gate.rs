//! The password: the first message of a connection, where one is asked for.

use crate::admit::{Grant, Refusal, Secret};
use crate::link::Visitor;
use crate::peer::Peer;
use anywire_codec::framed::{Code, Limits, Message, Reply, content};
use serde_json::Value;

/// Judges the first message. The visitor's role is that of the secret.
pub(super) async fn judge(visitor: &mut Visitor, message: &Message<'_>) -> Result<Reply, Reply> {
    let limits = &visitor.context.listener.framed.limits;
    let Some(password) = password(message, limits) else {
        return Err(Reply::error(
            Code::AuthRequired,
            "the first message must be {\"action\": \"auth\", \"password\": ...}",
        ));
    };
    let Peer::Ip(address) = visitor.peer else {
        return Ok(Reply::result("ok"));
    };
    let admission = &visitor.context.admission;
    let judged = match &visitor.context.listener.framed.password {
        Some(right) => admission.guess(address.ip(), || {
            right.is(&password).then_some(Grant::NOBODY)
        }),
        None => {
            let secret = Secret::Any(&password);
            admission.login(address.ip(), secret).await
        }
    };
    visitor.context.metrics.judged(judged.as_ref().err());
    match judged {
        Ok(grant) => {
            visitor.principal = grant.principal(visitor.peer);
            Ok(Reply::result("ok"))
        }
        Err(Refusal::Wait(wait)) => {
            let seconds = wait.as_secs() + 1;
            let message = format!("too many failures; try again in {seconds} seconds");
            Err(Reply::error(Code::TooManyFailures, &message))
        }
        Err(_) => Err(Reply::error(Code::AuthFailed, "wrong password")),
    }
}

fn password(message: &Message<'_>, limits: &Limits) -> Option<String> {
    if !message.header.is_json() {
        return None;
    }
    let value = content::json(&message.header, message.content, limits).ok()?;
    match (value.get("action")?.as_str()?, value.get("password")?) {
        ("auth", Value::String(password)) => Some(password.clone()),
        _ => None,
    }
}
