//! What outlives a connection: sessions, their logs' readers, screens and policies.
//!
//! A wire asks the [`Registry`] for a [`Session`], attaches, and then moves two kinds of values: intents in,
//! [`Output`] out. It never sees a process.
//!
//! Reading order: [`registry`] is all sessions, `session` one of them and its rules about who may do what, [`attach`]
//! one viewer's cursor, `keeper` the task that draws a screen when somebody needs one, [`screen`] the drawing itself.

pub mod attach;
mod input;
mod keeper;
pub mod policy;
pub mod registry;
pub mod screen;
mod seats;
mod session;
mod sweep;
mod unattended;

pub use attach::{Applied, Attach, AttachError, Attachment, Lag, Output, Refused, Start, Welcome};
pub use policy::{Policy, SizePolicy};
pub use registry::{Create, CreateError, Registry, Settings};
pub use session::{Session, SessionInfo};
