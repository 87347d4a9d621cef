//! The raw TCP client: bytes out, bytes in, the end.

use crate::server::Server;
use crate::wait::DEADLINE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection to the `tcp` listener.
#[derive(Debug)]
pub struct TcpClient {
    stream: TcpStream,
    /// All that came.
    pub got: Vec<u8>,
}

impl TcpClient {
    /// Connects.
    ///
    /// # Panics
    /// When the listener refuses.
    pub async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address("tcp"))
            .await
            .expect("the listener takes connections");
        Self {
            stream,
            got: Vec::new(),
        }
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the server takes none in time.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the server takes input in time")
            .expect("the connection holds");
    }

    /// No more bytes from here.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn close_input(&mut self) {
        self.stream.shutdown().await.expect("the connection holds");
    }

    /// Waits until the text has come.
    ///
    /// # Panics
    /// When it does not in time, or the connection ends before.
    pub async fn see(&mut self, text: &str) {
        while !self
            .got
            .windows(text.len())
            .any(|window| window == text.as_bytes())
        {
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.got)).await;
            let more = matches!(read, Ok(Ok(1..)));
            assert!(
                more,
                "waited in vain for {text:?}, got {:?}",
                String::from_utf8_lossy(&self.got)
            );
        }
    }

    /// Waits until the server ends the connection.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn end(&mut self) {
        loop {
            match timeout(DEADLINE, self.stream.read_buf(&mut self.got))
                .await
                .expect("the end comes in time")
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}
