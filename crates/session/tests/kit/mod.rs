//! A program that does what the test says, and nothing else.

#![allow(dead_code, unreachable_pub)]

use anywire_model::{ExitReason, Io, Offset, Role, SessionId, Signal, Size};
use anywire_process::ring::create_memory;
use anywire_process::{Control, InputError, Order, Ring, Running, Spawn, Spawning};
use anywire_session::{
    Attach, Attachment, Create, Output, Policy, Registry, Session, Settings, Start,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What a scripted program was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Input(Vec<u8>),
    CloseInput,
    Resize(Size),
    Signal(Signal),
    Kill(ExitReason),
    Forget,
}

/// The test's end of a program.
#[derive(Debug)]
pub struct Script {
    pub log: Arc<Ring>,
    memory: OwnedFd,
    told: Mutex<Vec<Told>>,
    /// Input that it will still take.
    room: AtomicUsize,
    limit: AtomicU64,
    moved: Notify,
}

impl Script {
    pub fn new(ring_len: usize) -> Arc<Self> {
        let memory = create_memory(ring_len).expect("memory");
        Arc::new(Self {
            log: Arc::new(Ring::open(memory.as_fd(), Size::DEFAULT).expect("a log")),
            memory,
            told: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
            limit: AtomicU64::new(u64::MAX),
            moved: Notify::new(),
        })
    }

    /// The same program as a server after a crash finds it: another mapping of the same memory.
    pub fn after_crash(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            log: Arc::new(Ring::open(self.memory.as_fd(), Size::DEFAULT).expect("a log")),
            memory: self.memory.try_clone().expect("a descriptor"),
            told: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
            limit: AtomicU64::new(u64::MAX),
            moved: Notify::new(),
        })
    }

    pub fn running(self: &Arc<Self>, id: SessionId, io: Io) -> Running {
        let control: Arc<dyn Control> = Arc::new(Scripted(self.clone()));
        Running {
            id,
            service: "script".into(),
            io,
            pid: None,
            log: self.log.clone(),
            control,
        }
    }

    /// Writes output as a real program would: waits while the session does not allow more.
    pub async fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let moved = self.moved.notified();
            let room = self
                .limit
                .load(Ordering::SeqCst)
                .saturating_sub(self.log.head());
            if room == 0 {
                moved.await;
                continue;
            }
            let now = bytes
                .len()
                .min(usize::try_from(room).unwrap_or(usize::MAX))
                .min(16 << 10);
            self.log.append(&bytes[..now]);
            bytes = &bytes[now..];
            tokio::task::yield_now().await;
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    /// All input so far.
    pub fn input(&self) -> Vec<u8> {
        let told = self.told.lock();
        let input = told.iter().filter_map(|told| match told {
            Told::Input(bytes) => Some(bytes.clone()),
            _ => None,
        });
        input.flatten().collect()
    }

    pub fn take_at_most(&self, room: usize) {
        self.room.store(room, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Scripted(Arc<Script>);

impl Scripted {
    fn tell(&self, told: Told) {
        self.0.told.lock().push(told);
    }
}

impl Control for Scripted {
    fn input(&self, bytes: &[u8]) -> Result<usize, InputError> {
        let room = self.0.room.load(Ordering::SeqCst);
        let taken = bytes.len().min(room);
        if taken == 0 && !bytes.is_empty() {
            return Err(InputError::Full);
        }
        self.0.room.store(room - taken, Ordering::SeqCst);
        self.tell(Told::Input(bytes[..taken].to_vec()));
        Ok(taken)
    }

    fn input_ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn close_input(&self) {
        self.tell(Told::CloseInput);
    }

    fn resize(&self, size: Size) {
        self.0.log.put_mark(anywire_model::MarkKind::Resize(size));
        self.tell(Told::Resize(size));
    }

    fn signal(&self, signal: Signal) {
        self.tell(Told::Signal(signal));
    }

    fn kill(&self, reason: ExitReason) {
        self.tell(Told::Kill(reason.clone()));
        self.0.log.end(reason);
    }

    fn allow(&self, limit: Offset) {
        self.0.limit.store(limit, Ordering::SeqCst);
        self.0.moved.notify_one();
    }

    fn forget(&self) {
        self.tell(Told::Forget);
    }
}

/// Hands out one script as the program of every session.
#[derive(Debug)]
struct Theatre {
    script: Arc<Script>,
    io: Io,
}

impl Spawn for Theatre {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        Box::pin(std::future::ready(Ok(self
            .script
            .running(order.id, self.io))))
    }
}

pub fn registry(script: &Arc<Script>, io: Io) -> Registry {
    registry_with(Policy::new(Duration::from_secs(600)))(script, io)
}

/// As `registry`, with this policy for its one service.
pub fn registry_with(policy: Policy) -> impl Fn(&Arc<Script>, Io) -> Registry {
    move |script, io| {
        let services = BTreeMap::from([("script".to_owned(), Arc::new(policy.clone()))]);
        let script = script.clone();
        Registry::new(
            Arc::new(Theatre { script, io }),
            Settings {
                services,
                max_sessions: 10,
            },
        )
    }
}

/// A session whose program is a script with a ring of this length.
pub async fn session(ring_len: usize, io: Io) -> (Registry, Session, Arc<Script>) {
    let script = Script::new(ring_len);
    let registry = registry(&script, io);
    let session = registry
        .create("script", Create::default())
        .await
        .expect("a session");
    (registry, session, script)
}

pub fn options(start: Start) -> Attach {
    Attach {
        role: Role::Owner,
        start,
        lag: None,
        size: None,
        client: None,
        answers: true,
        principal: "test".into(),
    }
}

/// The next output that is not `Pending`.
pub async fn next(attachment: &mut Attachment, buf: &mut Vec<u8>, max: usize) -> Output {
    loop {
        match attachment.next(buf, max) {
            Output::Pending => attachment.ready().await,
            output => return output,
        }
    }
}

/// A byte of the reference stream: numbered lines, so that every offset tells what stands there.
pub fn reference(from: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 16);
    let mut line = from / 16;
    while bytes.len() < len + 16 {
        bytes.extend_from_slice(format!("{line:014}\r\n").as_bytes());
        line += 1;
    }
    let skip = (from % 16) as usize;
    bytes[skip..skip + len].to_vec()
}
