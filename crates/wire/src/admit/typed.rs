//! Login where people type: the same questions on every wire that is a terminal, whatever its way of hiding a secret.

use super::{Grant, Refusal, Secret};
use crate::{Context, limits};
use std::net::IpAddr;

/// A wire on which somebody types. Each method has a deadline of its own; `None` is the end of the conversation.
pub(crate) trait Typist {
    /// Shows a text.
    fn say(&mut self, text: &str) -> impl Future<Output = Option<()>> + Send;

    /// Reads a line without its end. A `secret` one is not echoed, by whoever echoes on this wire.
    fn line(&mut self, secret: bool) -> impl Future<Output = Option<String>> + Send;
}

/// Asks for the start code, a token, or a user's name and password, a few times.
///
/// All that is typed at the first question is treated as a secret, since it may be one.
pub(crate) async fn typed_login(
    context: &Context,
    from: IpAddr,
    typist: &mut impl Typist,
) -> Option<Grant> {
    let admission = &context.admission;
    for _ in 0..limits::PROMPT_TRIES {
        let has_users = !admission.rules().users.is_empty();
        let question = if has_users {
            "start code or user: "
        } else {
            "start code: "
        };
        typist.say(question).await?;
        let line = typist.line(true).await?;
        let line = line.trim();
        let is_user = admission.is_user(line);
        let password = if is_user {
            typist.say("password: ").await?;
            typist.line(true).await?
        } else {
            String::new()
        };
        let secret = if is_user {
            Secret::Password {
                user: line,
                password: &password,
            }
        } else {
            Secret::Any(line)
        };
        let judged = admission.login(from, secret).await;
        context.metrics.judged(judged.as_ref().err());
        let complaint = match judged {
            Ok(grant) => return Some(grant),
            Err(refusal @ Refusal::Wait(_)) => {
                typist.say(&format!("{refusal}\r\n")).await?;
                return None;
            }
            Err(Refusal::Busy) => "the server is busy; try again in a moment\r\n",
            Err(_) if is_user => "wrong password\r\n",
            Err(_) if has_users => "no start code, token or user is called that\r\n",
            Err(_) => "wrong start code\r\n",
        };
        typist.say(complaint).await?;
    }
    None
}
