//! What commands ask of a server's HTTP API, and what they say when it refuses.

use super::find::Server;
use super::http::{HttpError, ask, exchange, success};
use crate::nearest::likely;
use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;

/// Names that are offered when one is not known but like them.
const OFFERED: usize = 3;
/// What to do at a server that was not told who asks.
const ASKED: &str = "the server asks who you are: use the URL that it printed, or put its start code into ANYWIRE_TOKEN";
/// Names that are shown when none is like it.
const LISTED: usize = 10;

impl Server {
    /// Asks with a JSON body (none when empty) for the body of the answer.
    pub(super) async fn ask(&self, method: Method, path: &str, body: &str) -> Result<Bytes> {
        let path = format!("{}{path}", self.base);
        let stream = self.connect().await?;
        let answer = exchange(stream, &self.peer, method, &path, body).await?;
        success(answer).map_err(|error| self.explain(error))
    }

    /// The same for an address below a session's, whose names it explains.
    pub(super) async fn ask_session(
        &self,
        method: Method,
        session: &str,
        rest: &str,
        body: &str,
    ) -> Result<Bytes> {
        let path = format!("{}{}{rest}", self.base, session_path(session)?);
        let stream = self.connect().await?;
        let answer = exchange(stream, &self.peer, method, &path, body).await?;
        self.judge(session, success(answer)).await
    }

    /// Sends bytes to an address below a session's.
    pub(super) async fn post_bytes(&self, session: &str, rest: &str, body: Bytes) -> Result<Bytes> {
        let path = format!("{}{}{rest}", self.base, session_path(session)?);
        let request = self
            .peer
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body))?;
        let answer = ask(self.connect().await?, request).await?;
        self.judge(session, success(answer)).await
    }

    /// An answer that concerns a session: if there is none of that name, the error says which there are.
    pub(super) async fn judge(
        &self,
        session: &str,
        answer: Result<Bytes, HttpError>,
    ) -> Result<Bytes> {
        match answer {
            Err(HttpError::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Err(self.unknown(session).await),
            answer => answer.map_err(|error| self.explain(error)),
        }
    }

    /// What a server said that lets nobody in, as one sentence that says what to do. Anything else stays as it is.
    pub(super) fn explain(&self, error: HttpError) -> anyhow::Error {
        match error {
            HttpError::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            } if self.peer.headers.is_empty() => anyhow!(ASKED),
            HttpError::Status {
                status: StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS,
                detail,
            } => anyhow!(detail),
            error => anyhow::Error::new(error),
        }
    }

    /// That there is no such session, and which the user may have meant.
    pub(super) async fn unknown(&self, session: &str) -> anyhow::Error {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let list = self.ask(Method::GET, "/api/sessions", "").await;
        let list: Vec<Named> = list
            .ok()
            .and_then(|list| serde_json::from_slice(&list).ok())
            .unwrap_or_default();
        let names: Vec<String> = list.into_iter().map(|named| named.name).collect();
        let mut near = likely(session, &names);
        near.truncate(OFFERED);
        let hint = match (names.as_slice(), near.as_slice()) {
            ([], _) => "there are none; `anywire new` starts one".to_owned(),
            (all, []) => format!("there are: {}", some(all)),
            (_, near) => format!("did you mean {}? `anywire ls` shows all", near.join(" or ")),
        };
        anyhow!("no session has the id or name {session:?}: {hint}")
    }
}

/// What there is, unless it is too much to read.
fn some(names: &[String]) -> String {
    let shown = &names[..names.len().min(LISTED)];
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The address of a session: its name is one segment of the path, in which anything but unreserved characters is
/// percent-encoded (RFC 3986 section 2.1).
pub(super) fn session_path(name: &str) -> Result<String> {
    if name.is_empty() || name == "." || name == ".." {
        bail!("{name:?} is no session; `anywire ls` shows them");
    }
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    Ok(format!("/api/sessions/{encoded}"))
}

/// Reads the server's JSON.
pub(super) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).context("reading the server's answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(session_path("shell-1").unwrap(), "/api/sessions/shell-1");
        assert_eq!(
            session_path("../x?y#z é").unwrap(),
            "/api/sessions/..%2Fx%3Fy%23z%20%C3%A9"
        );
        for nothing in ["", ".", ".."] {
            assert!(session_path(nothing).is_err());
        }
    }
}
