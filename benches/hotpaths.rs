//! The hot paths with nothing around them: a scripted program, a real listener, a client that knows its bytes by heart.
//!
//! `hotpaths PATH ROUNDS` runs one of them so often; `benches/counts` runs it twice under callgrind and takes the
//! difference, which is what a round costs in instructions, on any machine and however busy it is.

use anywire_codec::dialect::native::{Client, Hello, SUBPROTOCOL, input_header};
use anywire_codec::websocket::{Opcode, write_masked};
use anywire_model::{ExitReason, Io, Offset, Role, Signal, Size};
use anywire_process::{Control, InputError, Order, Ring, Running, Spawn, Spawning};
use anywire_session::{Policy, Registry, Settings};
use anywire_wire::admit::{Options, loopback_hosts};
use anywire_wire::{
    Admission, Bound, Compression, Context, Listener, Listening, Protocol, Target, serve,
};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Bytes of a program's output in a round.
const CHUNK: usize = 32 << 10;

type Failure = Box<dyn std::error::Error>;

/// A program that takes everything and says what it is told to.
#[derive(Debug, Default)]
struct Program(OnceLock<Arc<Ring>>);

impl Control for Program {
    fn input(&self, bytes: &[u8]) -> Result<usize, InputError> {
        Ok(bytes.len())
    }
    fn input_ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(pending())
    }
    fn close_input(&self) {}
    fn resize(&self, _: Size) {}
    fn signal(&self, _: Signal) {}
    fn kill(&self, _: ExitReason) {}
    fn allow(&self, _: Offset) {}
}

#[derive(Debug)]
struct Stage(Arc<Program>);

impl Spawn for Stage {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        let log = Arc::new(Ring::heap(order.size, 1 << 20, 1 << 20));
        let log = self.0.0.get_or_init(|| log).clone();
        Box::pin(std::future::ready(Ok(Running {
            id: order.id,
            service: order.service,
            io: Io::Handler,
            pid: None,
            log,
            control: self.0.clone(),
        })))
    }
}

/// A listener of this protocol, and the program behind it.
fn listen(
    protocol: Protocol,
    compression: Compression,
) -> Result<(SocketAddr, Arc<Program>), Failure> {
    let (program, service) = (Arc::new(Program::default()), "program".to_owned());
    let policy = Arc::new(Policy::new(Duration::from_secs(60)));
    let settings = Settings {
        services: BTreeMap::from([(service.clone(), policy)]),
        max_sessions: 4,
    };
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let at = socket.local_addr()?;
    let admission = Admission::new(Options {
        hosts: loopback_hosts(at),
        vault: None,
        save: Box::new(|_| {}),
    });
    let context = Context {
        registry: Registry::new(Arc::new(Stage(program.clone())), settings),
        admission: Arc::new(admission),
        metrics: Arc::default(),
        listener: Listener {
            auth: false,
            default_role: Role::Owner,
            compression,
            ..Listener::new(Target::New { service })
        },
    };
    let bound = Bound {
        socket: Listening::Tcp(socket),
        protocol,
    };
    let workers: Arc<[Handle]> = Arc::new([Handle::current()]);
    // Ends with the process.
    tokio::spawn(serve(bound, context, workers, CancellationToken::new()));
    Ok((at, program))
}

/// A WebSocket of the native dialect that is attached.
async fn native(at: SocketAddr) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(at).await?;
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {at}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await?;
    let hello = Hello {
        client: Some(1),
        ..Hello::default()
    };
    let (mut text, mut frame) = (Vec::new(), Vec::new());
    Client::Hello(Box::new(hello)).encode(&mut text);
    write_masked(Opcode::Text, &text, [0; 4], &mut frame);
    stream.write_all(&frame).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    // The welcome.
    frame_into(&mut stream, &mut vec![0; 1024]).await?;
    Ok(stream)
}

/// Reads a frame of less than 64 KiB into `buffer`.
async fn frame_into(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(), Failure> {
    stream.read_exact(&mut buffer[..2]).await?;
    let mut len = usize::from(buffer[1]);
    if len == 126 {
        stream.read_exact(&mut buffer[..2]).await?;
        len = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
    }
    stream.read_exact(&mut buffer[..len]).await?;
    Ok(())
}

/// A program's output on its way to a client, in frames or not.
async fn output(
    mut stream: TcpStream,
    program: &Program,
    rounds: u64,
    framed: bool,
) -> Result<(), Failure> {
    let chunk: Vec<u8> = (0u64..)
        .flat_map(|n| {
            format!("\x1b[0m\x1b[01;34mfolder-{n:07}\x1b[0m  file-{n:07}.txt\r\n").into_bytes()
        })
        .take(CHUNK)
        .collect();
    let log = program.0.get().ok_or("no program")?;
    let mut buffer = vec![0; 2 * CHUNK];
    for _ in 0..rounds {
        log.append(&chunk);
        if framed {
            frame_into(&mut stream, &mut buffer).await?;
        } else {
            stream.read_exact(&mut buffer[..CHUNK]).await?;
        }
    }
    Ok(())
}

/// Keys on their way to a program, and their acknowledgements back.
async fn keys(mut stream: TcpStream, rounds: u64) -> Result<(), Failure> {
    let mut buffer = [0; 128];
    for round in 0..rounds {
        let (mut frame, mut message) = (Vec::new(), input_header(round).to_vec());
        message.push(b'k');
        write_masked(Opcode::Binary, &message, [1, 2, 3, 4], &mut frame);
        stream.write_all(&frame).await?;
        frame_into(&mut stream, &mut buffer).await?;
    }
    Ok(())
}

async fn run(path: &str, rounds: u64) -> Result<(), Failure> {
    let (protocol, compression) = match path {
        "tcp-output" => (Protocol::Raw, Compression::Never),
        "deflate-output" => (Protocol::Http, Compression::Always),
        _ => (Protocol::Http, Compression::Never),
    };
    let (at, program) = listen(protocol, compression)?;
    match path {
        "native-output" | "deflate-output" => {
            output(native(at).await?, &program, rounds, true).await
        }
        "native-key" => keys(native(at).await?, rounds).await,
        "tcp-output" => {
            let stream = TcpStream::connect(at).await?;
            while program.0.get().is_none() {
                tokio::task::yield_now().await;
            }
            output(stream, &program, rounds, false).await
        }
        other => Err(format!("no path is called {other:?}").into()),
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(rounds)) = (arguments.next(), arguments.next()) else {
        return Err("usage: hotpaths PATH ROUNDS".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&path, rounds.parse()?))
}
