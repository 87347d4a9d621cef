//! The supervisor: a small process that owns programs, logs and listeners, so that the server can be replaced.
//!
//! It is the parent of the server and of every program. It parses nothing from the network and maps no log; it holds a
//! duplicate of every descriptor that matters and hands all of them to the next server when one dies. Both sides talk
//! over a socket pair made for each server ([`protocol`]), so nothing that an old server said can reach the new one's
//! supervisor, and the other way round.
//!
//! Reading order: [`protocol`] what is said, `channel` how it travels, `parent` the supervisor's loop with `held` what
//! it keeps of a session, `restart` when the next server starts and `reload` how the configuration is read again,
//! `signals` what wakes it; then the server's end: `adopt` what it takes over, `client` the connection, `vault` its
//! secrets.

mod adopt;
mod channel;
mod client;
mod held;
mod parent;
pub mod protocol;
mod reload;
mod restart;
mod signals;
mod vault;

pub use adopt::{Adopted, Orphan, adopt};
pub use client::Supervised;
pub use parent::{Plan, run};
pub use reload::Rules;
pub use vault::Vault;
