//! What framed messages may cost on a listener.

use super::values::{Bytes, Time};
use anywire_codec::framed::{Limits, MAX_HEADER};
use anywire_wire::framed::Deadlines;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How deep JSON can be nested at most: the parser's own limit.
const MAX_DEPTH: usize = 127;

/// What framed messages may cost
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Messages {
    /// Of a header, at most 65535
    pub(crate) max_header: Bytes,
    /// Of content
    pub(crate) max_content: Bytes,
    /// How deep JSON may be nested
    pub(crate) max_depth: usize,
    /// From the first byte of a message to the end of its header
    pub(crate) header_timeout: Time,
    /// From there to the end of its content
    pub(crate) content_timeout: Time,
    /// Without a message
    pub(crate) idle_timeout: Time,
    /// Without taking a byte of an answer
    pub(crate) write_timeout: Time,
    /// Whether search refuses content that is neither JSON nor binary/...
    pub(crate) strict: bool,
}

impl Default for Messages {
    fn default() -> Self {
        let (limits, deadlines) = (Limits::DEFAULT, Deadlines::DEFAULT);
        Self {
            max_header: Bytes(limits.header as u64),
            max_content: Bytes(limits.content),
            max_depth: limits.depth,
            header_timeout: Time::of(deadlines.header),
            content_timeout: Time::of(deadlines.content),
            idle_timeout: Time::of(deadlines.idle),
            write_timeout: Time::of(deadlines.write),
            strict: false,
        }
    }
}

impl Messages {
    /// The keys, which may stand in a listener's URL too.
    pub(super) const KEYS: [&str; 8] = [
        "max_header",
        "max_content",
        "max_depth",
        "header_timeout",
        "content_timeout",
        "idle_timeout",
        "write_timeout",
        "strict",
    ];

    /// What a peer may send.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            header: usize::try_from(self.max_header.0).unwrap_or(MAX_HEADER),
            content: self.max_content.0,
            depth: self.max_depth,
        }
    }

    /// How long it may take.
    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines {
            header: self.header_timeout.duration(),
            content: self.content_timeout.duration(),
            idle: self.idle_timeout.duration(),
            write: self.write_timeout.duration(),
            ..Deadlines::DEFAULT
        }
    }

    /// What is wrong with it, by key.
    pub(super) fn complaints(&self) -> Vec<(&'static str, String)> {
        let mut complaints = Vec::new();
        if !(2..=MAX_HEADER as u64).contains(&self.max_header.0) {
            complaints.push(("max_header", format!("between 2 and {MAX_HEADER} bytes")));
        }
        if !(1..=MAX_DEPTH).contains(&self.max_depth) {
            complaints.push(("max_depth", format!("between 1 and {MAX_DEPTH}")));
        }
        for (key, time) in [
            ("header_timeout", self.header_timeout),
            ("content_timeout", self.content_timeout),
            ("idle_timeout", self.idle_timeout),
            ("write_timeout", self.write_timeout),
        ] {
            if time == Time::ZERO {
                complaints.push((key, "longer than 0".to_owned()));
            }
        }
        complaints
    }
}
