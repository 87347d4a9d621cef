//! A server of our own, for one measurement.

use anyhow::{Context as _, Result, bail};
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `anywire`. Dropping it ends it and what it started.
pub(crate) struct Server {
    process: Child,
    /// For its socket; goes with it.
    _folder: tempfile::TempDir,
    /// Where its listener is.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it with these arguments and waits for its listener's line.
    pub(crate) fn start(binary: &Path, arguments: &[String]) -> Result<Self> {
        Self::start_with(binary, arguments, None)
    }

    /// The same with a configuration file.
    pub(crate) fn start_with(
        binary: &Path,
        arguments: &[String],
        config: Option<&str>,
    ) -> Result<Self> {
        let mode = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(mode).tempdir();
        let folder = folder.context("making a folder")?;
        let mut command = Command::new(binary);
        command.args(arguments);
        if let Some(config) = config {
            let file = folder.path().join("load.yaml");
            std::fs::write(&file, config).context("writing a configuration")?;
            command.arg("-c").arg(file);
        }
        let mut process = command
            .env("ANYWIRE_RUNTIME_DIR", folder.path())
            .env("ANYWIRE_GRACE", "0.2")
            .env("ANYWIRE_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let stdout = process.stdout.take().context("reading its listener")?;
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = |line: String| {
            let (_, rest) = line.trim().split_once("://")?;
            rest.split(['/', '#']).next()?.parse().ok()
        };
        let address = { lines }.find_map(address);
        let Some(address) = address else {
            let _ = process.kill();
            bail!("{} {arguments:?} printed no listener", binary.display());
        };
        Ok(Self {
            process,
            _folder: folder,
            address,
        })
    }

    /// The supervisor, and the server that it started; of `anywire echo` just the one.
    fn pids(&self) -> Vec<u32> {
        let pid = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let is_server = |child: &u32| {
            let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            line.windows(8).any(|window| window == b"__server")
        };
        let children = children.unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        std::iter::once(pid)
            .chain(children.filter(is_server))
            .collect()
    }

    /// Seconds of processor time so far.
    pub(crate) fn seconds(&self) -> f64 {
        let ticks = |pid: u32| -> Option<u64> {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
            let mut next = || fields.next()?.parse::<u64>().ok();
            Some(next()? + next()?)
        };
        let ticks: u64 = self.pids().into_iter().filter_map(ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// KiB of memory that is nobody else's.
    pub(crate) fn anonymous_kib(&self) -> f64 {
        let rss = |pid: u32| -> Option<f64> {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("RssAnon"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        self.pids().into_iter().filter_map(rss).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
