//! The application of the Python sockets tutorial: `search` in a table of three, and the first bytes of anything else.

use super::{MessageHandler, request};
use anywire_codec::framed::{Code, Header, Limits, Reply};
use serde_json::{Map, Value};

/// The table, as the tutorial's client expects it. Keys are compared exactly.
const ENTRIES: [(&str, &str); 3] = [
    ("morpheus", "Follow the white rabbit. \u{1f430}"),
    (
        "ring",
        "In the caves beneath the Misty Mountains. \u{1f48d}",
    ),
    ("\u{1f436}", "\u{1f43e} Playing ball! \u{1f3d0}"),
];
/// The type of answers to messages that are no JSON.
const BINARY_TYPE: &str = "binary/custom-server-binary-type";
/// Bytes of such a message that come back.
const FIRST: usize = 10;
/// Letters of a value or an action that are sent back.
const QUOTE: usize = 200;

/// Answers as the tutorial's server does, and what that server breaks on with an error reply.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    limits: Limits,
    strict: bool,
}

impl Search {
    /// With these limits; a message that is no JSON gets its first bytes back.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            strict: false,
        }
    }

    /// Refuses types other than JSON and `binary/...`.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    fn answer(&self, header: &Header<'_>, content: &[u8]) -> Result<Reply, Reply> {
        let object = request::object(header, content, &self.limits)?;
        match request::action(&object)? {
            "search" => search(&object),
            other => {
                let other = shorten(other);
                Ok(Reply::result(&format!("Error: invalid action '{other}'.")))
            }
        }
    }
}

impl Default for Search {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

impl MessageHandler for Search {
    fn on_message(&self, header: &Header<'_>, content: &[u8]) -> Reply {
        if header.is_json() {
            return self.answer(header, content).unwrap_or_else(|error| error);
        }
        if self.strict && !header.content_type.starts_with("binary/") {
            let message = "this application takes text/json and binary/...";
            return Reply::error(Code::UnsupportedType, message);
        }
        let first = &content[..content.len().min(FIRST)];
        Reply::binary(
            BINARY_TYPE,
            [b"First 10 bytes of request: ", first].concat(),
        )
    }
}

fn search(object: &Map<String, Value>) -> Result<Reply, Reply> {
    let value = match object.get("value") {
        Some(Value::String(value)) => value.clone(),
        // A number matches nothing, and is no mistake either.
        Some(Value::Number(value)) => value.to_string(),
        Some(_) => return Err(request::bad("\"value\" is a string")),
        None => return Err(request::bad("\"value\" is missing")),
    };
    let found = ENTRIES.into_iter().find(|(key, _)| *key == value);
    Ok(match found {
        Some((_, text)) => Reply::result(text),
        None => Reply::result(&format!("No match for '{}'.", shorten(&value))),
    })
}

/// The beginning of a text that is too long to be sent back.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(kind: &'static str, content: &[u8]) -> Reply {
        let header = Header::new(kind, "utf-8", content.len());
        Search::default().on_message(&header, content)
    }

    fn result(value: &Value) -> String {
        let reply = ask("text/json", value.to_string().as_bytes());
        let value: Value = serde_json::from_slice(&reply.content).unwrap();
        value["result"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_table_and_what_is_not_in_it() {
        let search = |value: &str| result(&json!({"action": "search", "value": value}));
        assert_eq!(search("morpheus"), "Follow the white rabbit. 🐰");
        assert_eq!(
            search("ring"),
            "In the caves beneath the Misty Mountains. 💍"
        );
        assert_eq!(search("🐶"), "🐾 Playing ball! 🏐");
        assert_eq!(search("Ring"), "No match for 'Ring'.");
        assert!(search(&"x".repeat(5000)).len() < 300);
        let number = json!({"action": "search", "value": 5});
        assert_eq!(result(&number), "No match for '5'.");
    }

    #[test]
    fn the_bytes_of_the_original() {
        let content = |value: Value| ask("text/json", value.to_string().as_bytes()).content;
        let ring = content(json!({"action": "search", "value": "ring"}));
        let captured: &[u8] =
            b"{\"result\": \"In the caves beneath the Misty Mountains. \xf0\x9f\x92\x8d\"}";
        assert_eq!(ring, captured);
        let miss = content(json!({"action": "search", "value": "zzz"}));
        assert_eq!(miss, b"{\"result\": \"No match for 'zzz'.\"}");
        let unknown = content(json!({"action": "double", "value": "x"}));
        assert_eq!(
            unknown,
            b"{\"result\": \"Error: invalid action 'double'.\"}"
        );
        let reply = ask("binary/custom-client-binary-type", b"0123456789ABCDEF");
        assert_eq!(reply.content, b"First 10 bytes of request: 0123456789");
        assert_eq!(reply.content_type, BINARY_TYPE);
        assert!(!reply.close);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for bad in [
            json!({}),
            json!(null),
            json!(0),
            json!(false),
            json!(""),
            json!([]),
            json!({"action": 5}),
            json!({"action": "search"}),
            json!({"action": "search", "value": []}),
            json!({"action": "search", "value": null}),
        ] {
            let reply = ask("text/json", bad.to_string().as_bytes());
            let value: Value = serde_json::from_slice(&reply.content).unwrap();
            assert_eq!(value["error"]["code"], "bad_request", "{bad}");
            assert!(reply.close && value["result"].as_str().unwrap().starts_with("Error: "));
        }
        // No content at all is a legal message of bytes.
        assert_eq!(ask("binary/x", b"").content, b"First 10 bytes of request: ");
        let header = Header::new("text/xml", "utf-8", 0);
        let strict = Search::default().strict().on_message(&header, b"");
        assert!(String::from_utf8_lossy(&strict.content).contains("unsupported_type"));
    }

    #[test]
    fn a_closure_is_a_handler() {
        let count = |_: &Header<'_>, content: &[u8]| Reply::json(&json!({"bytes": content.len()}));
        let header = Header::new("x", "binary", 3);
        let reply = MessageHandler::on_message(&count, &header, b"abc");
        assert_eq!(reply.content, b"{\"bytes\": 3}");
    }
}
