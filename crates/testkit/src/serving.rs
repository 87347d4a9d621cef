//! A command of the binary that serves in its own process, such as `echo` and `framed`.

use crate::processes;
use crate::wait::{DEADLINE, wait_until};
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// The running command. Dropping it ends it.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// What it printed: where it listens.
    pub urls: Vec<String>,
    out: mpsc::Receiver<String>,
    log: mpsc::Receiver<String>,
}

impl Serving {
    /// Starts it and waits for as many addresses as there are listeners.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(
        binary: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        listeners: usize,
    ) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .env_remove("ANYWIRE_PASSWORD")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = lines(child.stdout.take().expect("standard output is piped"));
        let log = lines(child.stderr.take().expect("standard error is piped"));
        let mut serving = Self {
            child,
            urls: Vec::new(),
            out,
            log,
        };
        for _ in 0..listeners {
            let Ok(url) = serving.out.recv_timeout(DEADLINE) else {
                let log: Vec<_> = serving.log.try_iter().collect();
                panic!("no address was printed: {log:?}");
            };
            serving.urls.push(url);
        }
        serving
    }

    /// The address of the first listener.
    ///
    /// # Panics
    /// When it printed none.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        let (_, rest) = self.urls[0].split_once("://").expect("a URL");
        rest.parse().expect("an address")
    }

    /// The next line that it prints after its addresses.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn line(&self) -> String {
        let line = self.out.recv_timeout(DEADLINE);
        line.expect("a line after the addresses")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its log that is as wanted.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn see(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.log.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("waited in vain for {what}"));
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Waits until it holds no more descriptors than these.
    ///
    /// # Panics
    /// When it still does after a while.
    pub async fn until_descriptors(&self, most: usize) {
        wait_until("the descriptors of ended connections to be closed", || {
            (processes::descriptors(self.pid()).len() <= most).then_some(())
        })
        .await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of a pipe; the thread ends with the process at its other end.
fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        lines.for_each(|line| drop(send.send(line)));
    });
    lines
}
