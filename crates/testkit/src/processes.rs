//! Processes as /proc shows them: whose they are, whether they live, what they hold open.

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All process ids.
#[must_use]
pub fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Bytes of memory that the process has; 0 when it is gone.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0)
        * 1024
}

/// Whether the process runs; a zombie does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// What /proc/PID/stat says, as far as tests ask.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// One letter; Z is a zombie.
    pub state: char,
    /// The parent.
    pub parent: u32,
    /// Clock ticks that it was busy for.
    pub busy: u64,
    /// Clock ticks between the machine's start and its own: with the pid, a name that is not reused.
    pub started: u64,
}

/// The process's state; `None` when it is gone.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; fields count from its last one.
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        busy: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Processor time that it has used.
#[must_use]
pub fn busy(pid: u32) -> Duration {
    let ticks = stat(pid).map_or(0, |stat| stat.busy);
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Its living children.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    all()
        .into_iter()
        .filter(|&child| stat(child).is_some_and(|s| s.parent == pid && s.state != 'Z'))
        .collect()
}

/// Its arguments, its first one included.
#[must_use]
pub fn arguments(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes
        .split(|&byte| byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect()
}

/// The file that it runs.
#[must_use]
pub fn executable(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// A variable of the environment that it was started with.
#[must_use]
pub fn variable(pid: u32, name: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{name}=");
    let found = bytes
        .split(|&byte| byte == 0)
        .find(|var| var.starts_with(prefix.as_bytes()))?;
    Some(String::from_utf8_lossy(&found[prefix.len()..]).into_owned())
}

/// Living processes that belong to the test with this folder: it is their working directory, or their environment or
/// arguments name it.
#[must_use]
pub fn of_folder(dir: &Path) -> Vec<u32> {
    let name = dir.as_os_str().as_encoded_bytes();
    let mentions = |file: String| {
        fs::read(file).is_ok_and(|bytes| bytes.windows(name.len()).any(|window| window == name))
    };
    let me = std::process::id();
    let belongs = |pid: u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
            || mentions(format!("/proc/{pid}/environ"))
            || mentions(format!("/proc/{pid}/cmdline"))
    };
    all()
        .into_iter()
        .filter(|&pid| pid != me && is_alive(pid) && belongs(pid))
        .collect()
}

/// Names of the memory files that the process holds open.
#[must_use]
pub fn memfds(pid: u32) -> Vec<String> {
    descriptors(pid)
        .into_iter()
        .filter_map(|link| Some(link.strip_prefix("/memfd:")?.to_owned()))
        .collect()
}

/// What each of its descriptors points to.
#[must_use]
pub fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            Some(
                fs::read_link(entry.path())
                    .ok()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
        .collect()
}

/// How many descriptors the process may have open, and how many it may allow itself.
///
/// # Panics
/// When the process is gone.
#[must_use]
pub fn descriptor_limits(pid: u32) -> (u64, u64) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process");
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let mut numbers = line.unwrap_or_default().split_whitespace();
    let mut number = || {
        let text = numbers.next().expect("a soft and a hard limit");
        text.parse().unwrap_or(u64::MAX)
    };
    (number(), number())
}

/// Sets how many descriptors the process may have open from now on.
///
/// # Panics
/// When the process is gone.
pub fn limit_descriptors(pid: u32, most: usize) {
    let limit = Rlimit {
        current: Some(most as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Nofile, limit).expect("the process takes a limit");
}

/// Sends SIGKILL; a process that is gone is as good.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Sends a signal; a process that is gone is as good.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A line about a process, for messages.
#[must_use]
pub fn describe(pid: u32) -> String {
    let state = stat(pid).map_or('-', |stat| stat.state);
    format!("{pid} {state} {}", arguments(pid).join(" "))
}
