//! The screen against an eager emulator, against itself, and against xterm.js.

mod fragments;
mod limits;
mod properties;
mod queries;
mod snapshot;
mod speed;
mod xterm;
