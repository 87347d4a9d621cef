//! Dialects: somebody's vocabulary over messages. Each is a pair of message types, one per direction, that can be
//! both read and written, so that servers, clients and tests share one definition.

pub mod native;
pub mod tty;
pub mod xwterm;
