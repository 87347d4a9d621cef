//! A menu of sessions for people who come by telnet or raw TCP.

use super::Console;
use super::console::Echo;
use crate::admit::Principal;
use crate::{Context, limits};
use anywire_model::SessionId;
use anywire_session::SessionInfo;
use std::fmt::Write as _;

/// Sessions that are listed; further ones are reached by name.
const LISTED: usize = 100;
/// Characters of a name that are shown.
const SHOWN: usize = 64;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Choice<'a> {
    New,
    Refresh,
    Quit,
    /// A number of the list, from 1, or a name.
    Session(&'a str),
}

fn parse(line: &str) -> Choice<'_> {
    match line.trim() {
        "n" | "N" => Choice::New,
        "r" | "R" | "" => Choice::Refresh,
        "q" | "Q" => Choice::Quit,
        other => Choice::Session(other),
    }
}

/// Lets the user choose; returns a session's id, or nothing for a new one. `None` if the user goes.
pub(super) async fn choose(
    console: &mut Console,
    context: &Context,
    principal: &Principal,
) -> Option<Option<String>> {
    let mut notice = String::new();
    for _ in 0..limits::MENU_LINES {
        let living = living(context, principal);
        console.say(&menu(&living, &notice)).await?;
        let line = console
            .line(limits::MENU_LINE, limits::MENU, Echo::Typed)
            .await?;
        let line = String::from_utf8_lossy(&line);
        match parse(&line) {
            Choice::New => return Some(None),
            Choice::Refresh => notice.clear(),
            Choice::Quit => break,
            Choice::Session(key) => match find(context, principal, &living, key) {
                Some(id) => return Some(Some(id.to_string())),
                None => notice = format!("no session {:?} is running\r\n", plain(key)),
            },
        }
    }
    console.close().await;
    None
}

fn living(context: &Context, principal: &Principal) -> Vec<SessionInfo> {
    let mut sessions = context.list(principal);
    sessions.retain(|session| session.exit.is_none());
    sessions
}

/// A number is one of the list that the user has seen, whatever has come or gone since.
fn find(
    context: &Context,
    principal: &Principal,
    shown: &[SessionInfo],
    key: &str,
) -> Option<SessionId> {
    let number = key.parse::<usize>().ok();
    let named = |session: &&SessionInfo| session.name == key;
    let listed = number.and_then(|number| {
        shown
            .get(number.checked_sub(1)?)
            .filter(|_| number <= LISTED)
    });
    let id = match listed.or_else(|| shown.iter().find(named)) {
        Some(session) => session.id,
        None => context.find(principal, key)?.id(),
    };
    let session = context.find(principal, &id.to_string())?;
    (!session.has_ended()).then_some(id)
}

fn menu(sessions: &[SessionInfo], notice: &str) -> String {
    let mut text = format!("\r\n{notice}");
    if sessions.is_empty() {
        text += "no sessions are running\r\n";
    } else {
        let wide = |name: &str| plain(name).chars().count();
        let names = sessions.iter().map(|session| wide(&session.name));
        let name = names.max().unwrap_or(0).max(4);
        let services = sessions.iter().map(|session| wide(&session.service));
        let service = services.max().unwrap_or(0).max(7);
        let _ = write!(
            text,
            "  #  {:name$}  {:service$}  age   attached\r\n",
            "name", "service"
        );
        for (index, session) in sessions.iter().take(LISTED).enumerate() {
            let _ = write!(
                text,
                "{:>3}  {:name$}  {:service$}  {:<4}  {}\r\n",
                index + 1,
                plain(&session.name),
                plain(&session.service),
                age(session.age_ms),
                session.attachments
            );
        }
        if sessions.len() > LISTED {
            let _ = write!(text, "     and {} more\r\n", sessions.len() - LISTED);
        }
    }
    text += "number or name to join, n: new, r: refresh, q: quit > ";
    text
}

/// A name that cannot steer a terminal.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    name.chars().take(SHOWN).map(plain).collect()
}

fn age(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anywire_model::{Io, Size};

    fn session(name: &str, age_ms: u64) -> SessionInfo {
        SessionInfo {
            id: SessionId::random(),
            name: name.to_owned(),
            service: "sh".to_owned(),
            io: Io::Pty,
            size: Size::DEFAULT,
            head: 0,
            age_ms,
            idle_ms: 0,
            pid: None,
            attachments: 2,
            exit: None,
        }
    }

    #[test]
    fn the_menu_is_plain_text_of_bounded_length() {
        let nasty = "x\x1b[31m\u{9b}\r\n\x07";
        let menu = menu(&[session("work", 61_000), session(nasty, 90_000_000)], "");
        assert!(menu.contains("  1  work"), "{menu}");
        assert!(menu.contains("1m ") && menu.contains("1d "), "{menu}");
        let control = |c: char| c.is_control() && c != '\r' && c != '\n';
        assert!(!menu.contains(control), "{menu:?}");
        assert_eq!(menu.lines().count(), 5, "{menu:?}");
        let many: Vec<_> = (0..5000).map(|n| session(&n.to_string(), n)).collect();
        let menu = super::menu(&many, "");
        assert!(menu.contains("and 4900 more") && menu.lines().count() < 110);
    }

    #[test]
    fn what_is_typed() {
        assert_eq!(parse(" n "), Choice::New);
        assert_eq!(parse(""), Choice::Refresh);
        assert_eq!(parse("q"), Choice::Quit);
        assert_eq!(parse("new"), Choice::Session("new"));
    }
}
