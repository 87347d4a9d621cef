//! Programs written as Rust types, run inside the server. For now one: [`echo`].

pub mod echo;

pub use echo::Echo;
