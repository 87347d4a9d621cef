//! Programs written as Rust types, run inside the server: [`echo`], a program of bytes, and [`message`], applications
//! that answer one message with another.

pub mod echo;
pub mod message;

pub use echo::Echo;
pub use message::MessageHandler;
