//! The protocol of ttyd and its clients (subprotocol `tty`), as its version 1.7 speaks it.
//!
//! The client's first message is JSON with a token and its size. After that the first byte of a message says what
//! the rest is. Text and binary messages mean the same.

use anywire_model::Size;
use serde::{Deserialize, Serialize};

/// The WebSocket subprotocol's name.
pub const SUBPROTOCOL: &str = "tty";
/// The longest JSON, in bytes, that is parsed.
pub const MAX_JSON: usize = 4 * 1024;
/// The most input, in bytes, that one message may carry.
pub const MAX_INPUT: usize = 64 * 1024;
/// The first byte of output; the bytes follow.
pub const OUTPUT: u8 = b'0';

/// Why a message was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message is longer than its kind may be.
    #[error("the message is longer than {max} bytes")]
    TooLarge {
        /// The most bytes allowed.
        max: usize,
    },
    /// No first byte, or one that names nothing.
    #[error("unknown message kind")]
    UnknownKind,
    /// Not the JSON that was expected.
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
}

/// A client's first message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// What `GET /token` answered.
    #[serde(rename = "AuthToken")]
    pub token: Option<String>,
    /// Columns of the client's window.
    pub columns: Option<u64>,
    /// Rows of the client's window.
    pub rows: Option<u64>,
}

impl Hello {
    /// The client's window, if it names a possible one.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        Size::checked(self.columns?, self.rows?)
    }
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client<'a> {
    /// The first message.
    Hello(Hello),
    /// Bytes for the program.
    Input(&'a [u8]),
    /// The client's window has this size; `None` if it is impossible.
    Resize(Option<Size>),
    /// Send no output until [`Client::Resume`].
    Pause,
    /// Send output again.
    Resume,
}

#[derive(Serialize, Deserialize)]
struct Resize {
    columns: u64,
    rows: u64,
}

impl<'a> Client<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`]; the connection cannot go on.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let (kind, rest) = message.split_first().ok_or(DecodeError::UnknownKind)?;
        let max = match kind {
            b'0' => MAX_INPUT,
            _ => MAX_JSON,
        };
        if rest.len() > max {
            return Err(DecodeError::TooLarge { max });
        }
        Ok(match kind {
            b'{' => Client::Hello(serde_json::from_slice(message)?),
            b'0' => Client::Input(rest),
            b'1' => {
                let Resize { columns, rows } = serde_json::from_slice(rest)?;
                Client::Resize(Size::checked(columns, rows))
            }
            b'2' => Client::Pause,
            b'3' => Client::Resume,
            _ => return Err(DecodeError::UnknownKind),
        })
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let json = "numbers and strings are always JSON";
        match self {
            Self::Hello(hello) => serde_json::to_writer(out, hello).expect(json),
            Self::Input(bytes) => {
                out.push(b'0');
                out.extend_from_slice(bytes);
            }
            Self::Resize(size) => {
                out.push(b'1');
                let (columns, rows) = size.map_or((0, 0), |s| (s.cols.into(), s.rows.into()));
                serde_json::to_writer(out, &Resize { columns, rows }).expect(json);
            }
            Self::Pause => out.push(b'2'),
            Self::Resume => out.push(b'3'),
        }
    }
}

/// A message from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server<'a> {
    /// Output of the program.
    Output(&'a [u8]),
    /// The window's title.
    Title(&'a [u8]),
    /// The client's preferences, a JSON object.
    Preferences(&'a [u8]),
}

impl<'a> Server<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError::UnknownKind`].
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        match message.split_first() {
            Some((&OUTPUT, rest)) => Ok(Server::Output(rest)),
            Some((b'1', rest)) => Ok(Server::Title(rest)),
            Some((b'2', rest)) => Ok(Server::Preferences(rest)),
            _ => Err(DecodeError::UnknownKind),
        }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, bytes) = match self {
            Self::Output(bytes) => (OUTPUT, bytes),
            Self::Title(bytes) => (b'1', bytes),
            Self::Preferences(bytes) => (b'2', bytes),
        };
        out.push(kind);
        out.extend_from_slice(bytes);
    }
}

/// Whether a first message is this dialect's: JSON with a size or a token.
#[must_use]
pub fn is_hello(message: &[u8]) -> bool {
    message.len() <= MAX_JSON
        && message.first() == Some(&b'{')
        && serde_json::from_slice::<Hello>(message)
            .is_ok_and(|hello| hello.token.is_some() || hello.columns.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(bytes: &[u8]) -> impl Strategy<Value = Client<'_>> {
        prop_oneof![
            (
                any::<Option<String>>(),
                any::<Option<u64>>(),
                any::<Option<u64>>()
            )
                .prop_map(|(token, columns, rows)| Client::Hello(Hello {
                    token,
                    columns,
                    rows
                })),
            Just(Client::Input(bytes)),
            (1..=1000u64, 1..=500u64).prop_map(|(c, r)| Client::Resize(Size::checked(c, r))),
            Just(Client::Pause),
            Just(Client::Resume),
        ]
    }

    proptest! {
        #[test]
        fn client_round_trip(message in client(b"ls\r")) {
            let mut out = Vec::new();
            message.encode(&mut out);
            prop_assert_eq!(Client::decode(&out).unwrap(), message);
        }

        #[test]
        fn server_round_trip(bytes: Vec<u8>, kind in 0..3) {
            let message = [Server::Output(&bytes), Server::Title(&bytes), Server::Preferences(&bytes)]
                [kind as usize];
            let mut out = Vec::new();
            message.encode(&mut out);
            prop_assert_eq!(Server::decode(&out).unwrap(), message);
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            let _ = Client::decode(&bytes);
            let _ = Server::decode(&bytes);
            let _ = is_hello(&bytes);
        }
    }

    #[test]
    fn what_ttyd_s_page_sends_is_read() {
        let hello = br#"{"AuthToken":"","columns":120,"rows":40}"#;
        assert!(is_hello(hello));
        let Client::Hello(hello) = Client::decode(hello).unwrap() else {
            panic!("a hello");
        };
        assert_eq!(hello.size(), Size::checked(120, 40));
        assert_eq!(
            Client::decode(br#"1{"columns":80,"rows":24}"#).unwrap(),
            Client::Resize(Some(Size::DEFAULT))
        );
        assert!(!is_hello(b"{ echo hi; }\n"));
        assert!(!is_hello(b"{}"));
    }

    #[test]
    fn the_maxima_hold() {
        let mut input = vec![b'0'; 1 + MAX_INPUT];
        assert!(Client::decode(&input).is_ok());
        input.push(b'x');
        assert!(matches!(
            Client::decode(&input),
            Err(DecodeError::TooLarge { .. })
        ));
        input[0] = b'{';
        assert!(!is_hello(&input));
    }
}
