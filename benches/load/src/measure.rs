//! What is measured, and how.

use crate::server::Server;
use crate::wire::{Connection, Wire};
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// One round's values, in the order of [`Measure::columns`].
pub(crate) type Figure = Vec<f64>;

/// Something that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measure {
    /// A terminal that prints plain text
    Text,
    /// A terminal that prints colours
    Colours,
    /// A key's way to a terminal program and back
    Key,
    /// Echoes of 64 bytes, 16 on their way
    Echo,
    /// Echoes of 64 bytes, one at a time
    Reply,
    /// Connections that do nothing
    Idle,
    /// Terminals that do nothing and are polled twice a second
    Poll,
}

/// Bytes of a flood.
const FLOOD: usize = 48 << 20;
const KEYS: usize = 2000;
const ECHOES: usize = 40_000;
const DEPTH: usize = 16;
/// Idle connections that pay for what all share.
const FIRST: usize = 100;
/// Terminals that are polled, how often each, and how long it is waited in between.
const POLLED: usize = 500;
const POLLS: usize = 20;
const BETWEEN: Duration = Duration::from_millis(500);

impl Measure {
    pub(crate) const ALL: [Self; 7] = [
        Self::Text,
        Self::Colours,
        Self::Key,
        Self::Echo,
        Self::Reply,
        Self::Idle,
        Self::Poll,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Text => "output: 48 MiB of plain text through a terminal",
            Self::Colours => "output: 48 MiB of coloured file names through a terminal",
            Self::Key => "latency: a key to `cat` on a terminal and back",
            Self::Echo => "echo handler: 64 bytes, 16 on their way",
            Self::Reply => "echo handler: 64 bytes, one at a time",
            Self::Idle => "echo handler: idle connections",
            Self::Poll => "xwterm: 500 idle terminals, polled over HTTP twice a second",
        }
    }

    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Colours => &["CPU s/GB", "MB/s", "sent/byte"],
            Self::Key => &["us p50", "us p99"],
            Self::Echo | Self::Reply => &["us CPU/message", "messages/s"],
            Self::Idle => &["KiB each"],
            Self::Poll => &["us CPU/terminal/s", "us CPU/poll"],
        }
    }

    pub(crate) fn wires(self) -> &'static [Wire] {
        use Wire::{Deflate, Framed, Native, Tcp, Telnet, Tty, Xwterm};
        match self {
            Self::Text | Self::Colours => &[Tcp, Telnet, Native, Tty, Xwterm, Deflate],
            Self::Key => &[Tcp, Telnet, Native, Tty, Xwterm],
            Self::Echo | Self::Reply | Self::Idle => &[Tcp, Native, Tty, Framed],
            Self::Poll => &[Xwterm],
        }
    }

    /// Takes one round's figures.
    pub(crate) fn take(self, binary: &Path, wire: Wire, idle_ones: usize) -> Result<Figure> {
        match self {
            Self::Text => flood(binary, wire, text()),
            Self::Colours => flood(binary, wire, colours()),
            Self::Key => key(binary, wire),
            Self::Echo => echo(binary, wire, DEPTH),
            Self::Reply => echo(binary, wire, 1),
            Self::Idle => idle(binary, wire, idle_ones),
            Self::Poll => poll(binary),
        }
    }
}

fn serve(binary: &Path, wire: Wire, program: &[&str]) -> Result<Server> {
    if wire == Wire::Xwterm {
        // A dialect of a listener is named in a file.
        let listener = wire.listener();
        let config = format!(
            "services: {{load: {{command: {program:?}, ttl: 0}}}}\n\
             listeners: [{{url: {listener:?}, dialect: xwterm}}]\nauth: {{required: false}}\n"
        );
        return Server::start_with(binary, &owned(&["serve"]), Some(&config));
    }
    let mut arguments = vec![
        "serve",
        "--no-auth",
        "--ttl",
        "0",
        "-l",
        wire.listener(),
        "--",
    ];
    arguments.extend(program);
    Server::start(binary, &owned(&arguments))
}

fn echoes(binary: &Path, wire: Wire) -> Result<Server> {
    Server::start(binary, &owned(&["echo", "--quiet", "-l", wire.listener()]))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn text() -> String {
    let mut text = String::new();
    let mut line = 0;
    while text.len() < FLOOD {
        let _ = writeln!(
            text,
            "{line:08} The quick brown fox jumps over the lazy dog, again and again."
        );
        line += 1;
    }
    text
}

fn colours() -> String {
    let mut text = String::new();
    let mut line = 0;
    while text.len() < FLOOD {
        let _ = writeln!(
            text,
            "\x1b[0m\x1b[01;34mfolder-{line:07}\x1b[0m  \x1b[01;32mrun-{line:07}\x1b[0m  notes-{line:07}.txt"
        );
        line += 1;
    }
    text
}

/// A program waits for a line, prints a file and a mark, and waits again.
fn flood(binary: &Path, wire: Wire, content: String) -> Result<Figure> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &content)?;
    let script = format!(
        "stty raw -echo; read line; cat {}; printf END; read line",
        file.path().display()
    );
    let server = serve(binary, wire, &["sh", "-c", &script])?;
    let mut connection = Connection::open(wire, server.address)?;
    std::thread::sleep(Duration::from_millis(300));
    let (cpu, start) = (server.seconds(), Instant::now());
    connection.send(b"\n")?;
    let (mut count, mut tail) = (0, Vec::new());
    while !tail.ends_with(b"END") {
        let more = connection.receive(|output| {
            count += output.len();
            tail.extend_from_slice(&output[output.len().saturating_sub(3)..]);
            tail.drain(..tail.len().saturating_sub(3));
        })?;
        if !more {
            bail!("the flood broke off after {count} bytes");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let gigabytes = count as f64 / 1e9;
    Ok(vec![
        (server.seconds() - cpu) / gigabytes,
        gigabytes * 1e3 / seconds,
        connection.received as f64 / count as f64,
    ])
}

fn key(binary: &Path, wire: Wire) -> Result<Figure> {
    let server = serve(
        binary,
        wire,
        &["sh", "-c", "stty raw -echo; printf R; exec cat"],
    )?;
    let mut connection = Connection::open(wire, server.address)?;
    let mut ready = false;
    while !ready {
        connection.receive(|output| ready |= output.contains(&b'R'))?;
    }
    let mut times = Vec::new();
    for _ in 0..KEYS {
        let start = Instant::now();
        connection.send(b"k")?;
        connection.take(1)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(vec![times[KEYS / 2], times[KEYS * 99 / 100]])
}

fn echo(binary: &Path, wire: Wire, depth: usize) -> Result<Figure> {
    let server = echoes(binary, wire)?;
    let mut connection = Connection::open(wire, server.address)?;
    let message = [b'm'; 64];
    connection.send(&message)?;
    connection.take(message.len())?;
    let (cpu, start) = (server.seconds(), Instant::now());
    for _ in 1..depth {
        connection.send(&message)?;
    }
    for _ in 0..ECHOES {
        connection.send(&message)?;
        connection.take(message.len())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(vec![
        (server.seconds() - cpu) * 1e6 / ECHOES as f64,
        ECHOES as f64 / seconds,
    ])
}

fn idle(binary: &Path, wire: Wire, count: usize) -> Result<Figure> {
    let server = echoes(binary, wire)?;
    let mut connections = Vec::new();
    let mut before = 0.0;
    for number in 0..count {
        if number == FIRST {
            before = server.anonymous_kib();
        }
        let mut connection = Connection::open(wire, server.address)?;
        connection.send(b"x")?;
        connection.take(1)?;
        connections.push(connection);
    }
    Ok(vec![
        (server.anonymous_kib() - before) / (count - FIRST) as f64,
    ])
}

/// What a page of xwterm's asks, and what it is answered when there is nothing.
fn poll(binary: &Path) -> Result<Figure> {
    let server = serve(binary, Wire::Xwterm, &["cat"])?;
    let mut pages = Vec::new();
    for number in 0..POLLED {
        let stream = TcpStream::connect(server.address)?;
        stream.set_nodelay(true)?;
        pages.push((stream, number));
    }
    let round = |pages: &mut [(TcpStream, usize)]| -> Result<()> {
        for (stream, number) in pages {
            let request = format!(
                "GET /?console&session=load{number} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\
                 Cookie: session_id=load{number}\r\n\r\n",
                server.address
            );
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"{\"text\": \"\"}") {
                let mut piece = [0; 1024];
                let n = stream.read(&mut piece)?;
                if n == 0 {
                    bail!("no answer: {}", String::from_utf8_lossy(&answer));
                }
                answer.extend_from_slice(&piece[..n]);
            }
        }
        Ok(())
    };
    // The first starts the programs.
    round(&mut pages)?;
    let (cpu, start) = (server.seconds(), Instant::now());
    for number in 1..=POLLS as u32 {
        round(&mut pages)?;
        std::thread::sleep((BETWEEN * number).saturating_sub(start.elapsed()));
    }
    let (cpu, seconds) = (server.seconds() - cpu, start.elapsed().as_secs_f64());
    Ok(vec![
        cpu * 1e6 / POLLED as f64 / seconds,
        cpu * 1e6 / (POLLED * POLLS) as f64,
    ])
}
