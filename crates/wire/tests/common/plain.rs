//! A client of the wires without frames: bytes out, bytes in.

use super::soon;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, and all that came.
pub struct Plain {
    pub stream: TcpStream,
    pub got: Vec<u8>,
}

impl Plain {
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            got: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Waits until this has come, forgets everything up to it and returns what was before it.
    pub async fn see(&mut self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let text = text.as_ref();
        loop {
            if let Some(at) = self.got.windows(text.len()).position(|part| part == text) {
                let mut before: Vec<u8> = self.got.drain(..at + text.len()).collect();
                before.truncate(at);
                return before;
            }
            let n = soon(self.stream.read_buf(&mut self.got)).await.unwrap();
            assert_ne!(n, 0, "no {} in {}", text.escape_ascii(), self.shown());
        }
    }

    /// Waits for the end; returns what came before it.
    pub async fn end(&mut self) -> Vec<u8> {
        while let Ok(1..) = soon(self.stream.read_buf(&mut self.got)).await {}
        std::mem::take(&mut self.got)
    }

    pub fn shown(&self) -> String {
        self.got.escape_ascii().to_string()
    }
}
