//! anywire as a library: what the binary is made of, for its tests and for programs that talk to a running server.

pub mod cli;
pub mod runtime_dir;
