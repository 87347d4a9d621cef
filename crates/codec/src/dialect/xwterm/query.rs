//! What stands behind the question mark of an address.

/// What an address asks for. Names are told apart by case; of a name that stands there twice, the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The window's size, as it was written.
    pub size: Option<String>,
    /// Output since the last time.
    pub console: bool,
    /// The list of sessions.
    pub sessions: bool,
    /// The id of a session to end.
    pub kill: Option<String>,
    /// The id of the session that this is about; perhaps empty.
    pub session: Option<String>,
}

impl Query {
    /// Reads it. What is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match decode(name, true).as_str() {
                "size" => &mut query.size,
                "kill" => &mut query.kill,
                "session" => &mut query.session,
                "console" => {
                    query.console = true;
                    continue;
                }
                "sessions" => {
                    query.sessions = true;
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert_with(|| decode(value, true));
        }
        query
    }

    /// Whether this is about terminals, and not only about whose file is asked for.
    #[must_use]
    pub fn is_about_terminals(&self) -> bool {
        self.size.is_some() || self.console || self.sessions || self.kill.is_some()
    }
}

/// Undoes percent-encoding, of a path or, with `+` for a space, of a query. What is no encoding stays as it is.
#[must_use]
pub fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digit = |index: usize| char::from(*after.get(index)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', ..) if plus => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
