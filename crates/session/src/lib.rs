//! What outlives a connection: sessions, their logs' readers, screens and policies.
//!
//! A wire asks the [`Registry`] for a [`Session`], attaches, and then moves two kinds of values: intents in,
//! [`Output`] out. It never sees a process.
//!
//! Reading order: [`registry`] is all sessions, `session` one of them and its rules about who may do what, [`attach`]
//! one viewer's cursor, [`visit`] what may be done without one, `keeper` the task that draws a screen when somebody needs one, [`screen`] the drawing itself.

pub mod attach;
pub mod counters;
mod info;
mod input;
mod keeper;
pub mod policy;
pub mod registry;
pub mod screen;
mod seats;
mod session;
mod sweep;
mod title;
mod unattended;
pub mod visit;

pub use attach::{
    Applied, Attach, AttachError, Attachment, Lag, Output, Refused, Start, Welcome, Window,
};
pub use counters::Counters;
pub use info::SessionInfo;
pub use policy::{Policy, SizePolicy};
pub use registry::{Create, CreateError, NameError, Registry, RenameError, Service, Settings};
pub use screen::Picture;
pub use session::Session;
