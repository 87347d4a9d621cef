//! Pure parsers and printers: bytes in, values out, no sockets, no clock, a maximum on everything.
//!
//! Reading order: [`websocket`] cuts a byte stream into messages, [`dialect`] gives messages a meaning, [`framed`] is
//! length-prefixed messages with a JSON header, [`query`] knows the questions that a program asks of its terminal and
//! the answers that terminals send back, [`styled`] passes over text and its colours, [`telnet`] is the protocol of that
//! name, [`text`] makes text of bytes that come in pieces.
//!
//! Each parser has one entry point that takes bytes and never panics, which is what the property tests here and the
//! fuzz targets call.

pub mod dialect;
pub mod framed;
pub mod query;
pub mod styled;
pub mod telnet;
pub mod text;
pub mod websocket;
