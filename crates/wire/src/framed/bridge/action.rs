//! What a client may ask of sessions, as JSON.

use anywire_codec::framed::{Code, Header, Limits, Reply, content};
use anywire_model::{Offset, Role, Signal, Size};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Output bytes of one answer, unless the client says.
const READ: usize = 64 << 10;
/// Output bytes of one answer at most.
const READ_MAX: usize = 256 << 10;
/// How long output may be waited for, in milliseconds.
const WAIT_MAX: u64 = 30_000;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub(super) enum Action {
    Open(Open),
    Input(Input),
    Resize(Resize),
    Signal(SignalTo),
    Read(Read),
    Close(Close),
    List,
}

/// Attach to a session: the one named, or what the listener is for.
#[derive(Debug, Deserialize)]
pub(super) struct Open {
    pub(super) session: Option<String>,
    pub(super) since: Option<Offset>,
    pub(super) role: Option<Role>,
    cols: Option<u64>,
    rows: Option<u64>,
}

/// Bytes for the program, as text or as Base64, and perhaps the end of its input.
#[derive(Debug, Deserialize)]
pub(super) struct Input {
    pub(super) session: Option<String>,
    data: Option<String>,
    base64: Option<String>,
    #[serde(default)]
    pub(super) eof: bool,
    #[serde(skip)]
    raw: Vec<u8>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resize {
    pub(super) session: Option<String>,
    cols: u64,
    rows: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct SignalTo {
    pub(super) session: Option<String>,
    pub(super) signal: Signal,
}

/// Output from an offset on, or from where the last `read` ended.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) session: Option<String>,
    pub(super) since: Option<Offset>,
    max: Option<usize>,
    wait: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Close {
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) kill: bool,
}

/// Reads a request.
pub(super) fn parse(header: &Header<'_>, bytes: &[u8], limits: &Limits) -> Result<Action, Reply> {
    let value = content::json(header, bytes, limits).map_err(|error| Reply::from(&error))?;
    if !matches!(&value, Value::Object(object) if object.contains_key("action")) {
        let message = "the content is a JSON object with an \"action\"";
        return Err(Reply::error(Code::BadRequest, message));
    }
    serde_json::from_value(value).map_err(|error| bad(&error.to_string()))
}

/// The answer to a request that makes no sense; the connection may go on.
fn bad(message: &str) -> Reply {
    let end = message
        .char_indices()
        .nth(300)
        .map_or(message.len(), |(end, _)| end);
    Reply::refusal(Code::BadRequest, &message[..end])
}

fn size(cols: u64, rows: u64) -> Result<Size, Reply> {
    Size::checked(cols, rows).ok_or_else(|| bad("a size has 1 to 1000 columns and 1 to 500 rows"))
}

impl Open {
    pub(super) fn size(&self) -> Result<Option<Size>, Reply> {
        match (self.cols, self.rows) {
            (Some(cols), Some(rows)) => size(cols, rows).map(Some),
            (None, None) => Ok(None),
            _ => Err(bad("a size has \"cols\" and \"rows\"")),
        }
    }
}

impl Resize {
    pub(super) fn size(&self) -> Result<Size, Reply> {
        size(self.cols, self.rows)
    }
}

impl Input {
    /// A message that is no JSON is input as it is.
    pub(super) fn of_bytes(raw: Vec<u8>) -> Self {
        Self {
            session: None,
            data: None,
            base64: None,
            eof: false,
            raw,
        }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, Reply> {
        match (&self.data, &self.base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(base64)) => BASE64
                .decode(base64.as_bytes())
                .map_err(|_| bad("\"base64\" is not Base64 (RFC 4648 section 4)")),
            (None, None) => Ok(self.raw.clone()),
            (Some(_), Some(_)) => Err(bad("either \"data\" or \"base64\"")),
        }
    }
}

impl Read {
    pub(super) fn max(&self) -> usize {
        self.max.unwrap_or(READ).clamp(1, READ_MAX)
    }

    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait.unwrap_or(0).min(WAIT_MAX))
    }
}
