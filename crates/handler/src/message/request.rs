//! What handlers ask of a message: its JSON, its action.

use anywire_codec::framed::{Code, Header, Limits, Reply, content};
use serde_json::{Map, Value};

/// The JSON of a message, at most as deep as `limits` say.
///
/// # Errors
/// The reply that says what is wrong; the connection ends after it.
pub fn json(header: &Header<'_>, bytes: &[u8], limits: &Limits) -> Result<Value, Reply> {
    content::json(header, bytes, limits).map_err(|error| Reply::from(&error))
}

/// The JSON object of a message.
///
/// # Errors
/// As [`json`], and a `bad_request` for anything but an object.
pub fn object(
    header: &Header<'_>,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Map<String, Value>, Reply> {
    match json(header, bytes, limits)? {
        Value::Object(object) => Ok(object),
        _ => Err(bad("the content is a JSON object with an \"action\"")),
    }
}

/// The `action` of an object.
///
/// # Errors
/// A `bad_request` when there is none, or it is no string.
pub fn action(object: &Map<String, Value>) -> Result<&str, Reply> {
    match object.get("action") {
        Some(Value::String(action)) => Ok(action),
        Some(_) => Err(bad("\"action\" is a string")),
        None => Err(bad("\"action\" is missing")),
    }
}

/// A reply to a message that was read and makes no sense. The connection ends after it.
#[must_use]
pub fn bad(message: &str) -> Reply {
    Reply::error(Code::BadRequest, message)
}
