//! Terminal queries and replies: what programs ask of their terminal, and what terminals answer.
//!
//! A query stands in a program's output ("where is the cursor?"), the answer arrives as input. With many terminals
//! on one session only one may answer, so the replies of the others are taken out of their input ([`ReplyFilter`]);
//! and when no terminal is there, somebody must notice that a question was asked ([`QueryScanner`]).

mod ask;
mod csi;
mod reply;

pub use ask::QueryScanner;
pub use reply::{MAX_HELD, ReplyFilter};

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// What is looked for, so many bytes long.
    Yes(usize),
    /// The beginning of what is looked for, perhaps.
    Perhaps,
    /// Something else.
    No,
}

#[cfg(test)]
mod tests;
