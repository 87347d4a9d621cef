//! Uploads: a body becomes a file beneath their folder, under its name when it is whole and not before.

use super::answer::said;
use super::files::{name, open_beneath, open_root};
use super::input::next;
use axum::body::{Body, Bytes};
use axum::response::Response;
use data_encoding::HEXLOWER;
use http::StatusCode;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use tokio::task::spawn_blocking;

/// The log says how far a large upload is at each of these.
const PROGRESS: u64 = 64 * 1024 * 1024;
/// What others may do with an upload, as far as the operator's umask lets them.
const MODE: Mode = Mode::from_raw_mode(0o644);
const FLAGS: OFlags = OFlags::WRONLY.union(OFlags::CLOEXEC);

/// `PUT /name`
pub(super) async fn put(folder: Option<&Path>, path: &str, body: Body) -> Response {
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        return said(StatusCode::INTERNAL_SERVER_ERROR, "Bad request");
    };
    match store(folder, path, body).await {
        Ok(bytes) => {
            tracing::info!(file = ?path, bytes, "uploaded");
            said(StatusCode::OK, "")
        }
        Err(error) => {
            tracing::warn!(file = ?path, %error, "the upload failed");
            said(StatusCode::INTERNAL_SERVER_ERROR, "Error uploading file")
        }
    }
}

async fn store(folder: &Path, path: &str, mut body: Body) -> io::Result<u64> {
    let name = name(path).filter(|_| path != "/");
    let name = name.ok_or_else(|| io::Error::other("this is no name of a file"))?;
    let folder = folder.to_owned();
    let mut part = blocking(move || Part::create(&folder, &name)).await?;
    let (mut written, mut told) = (0, PROGRESS);
    loop {
        let bytes = match next(&mut body).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(_) => return Err(io::Error::other("the client went away")),
        };
        written += bytes.len() as u64;
        part = blocking(move || part.write(&bytes)).await?;
        if written >= told {
            told += PROGRESS;
            tracing::info!(file = ?path, bytes = written, "uploading");
        }
    }
    blocking(move || part.finish()).await?;
    Ok(written)
}

async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(what).await.map_err(io::Error::other)?
}

/// A file that is not whole yet. It has no name, so that nothing of it is left however this ends, or, where files cannot
/// be without, one of its own until this is dropped.
struct Part {
    folder: OwnedFd,
    file: File,
    own: Option<String>,
    name: String,
}

impl Part {
    fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let root = open_root(folder)?;
        let (folder, name) = match name.rsplit_once('/') {
            Some((inside, name)) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                (open_beneath(&root, inside, flags)?, name)
            }
            None => (root, name),
        };
        match openat(&folder, ".", FLAGS | OFlags::TMPFILE, MODE) {
            Ok(file) => Ok(Self {
                folder,
                file: file.into(),
                own: None,
                name: name.to_owned(),
            }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::named(folder, name),
            Err(error) => Err(error.into()),
        }
    }

    fn named(folder: OwnedFd, name: &str) -> io::Result<Self> {
        let own = fresh_name()?;
        let flags = FLAGS | OFlags::CREATE | OFlags::EXCL;
        let file = openat(&folder, &own, flags, MODE)?;
        Ok(Self {
            folder,
            file: file.into(),
            own: Some(own),
            name: name.to_owned(),
        })
    }

    fn write(mut self, bytes: &Bytes) -> io::Result<Self> {
        self.file.write_all(bytes)?;
        Ok(self)
    }

    fn finish(mut self) -> io::Result<()> {
        if self.own.is_none() {
            match self.link(&self.name) {
                // A name that is taken is replaced, which only another name can do.
                Err(Errno::EXIST) => {
                    let own = fresh_name()?;
                    self.link(&own)?;
                    self.own = Some(own);
                }
                done => return Ok(done?),
            }
        }
        if let Some(own) = &self.own {
            renameat(&self.folder, own, &self.folder, &self.name)?;
            self.own = None;
        }
        Ok(())
    }

    /// Gives the file without a name this one.
    fn link(&self, name: &str) -> rustix::io::Result<()> {
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(CWD, file, &self.folder, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            let _ = unlinkat(&self.folder, own, AtFlags::empty());
        }
    }
}

fn fresh_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    Ok(format!(".anywire-upload-{}", HEXLOWER.encode(&random)))
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Part, open_root};
    use std::fs;

    /// On a file system that knows no files without a name, or not.
    #[test]
    fn a_part_is_whole_under_its_name_or_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let files = || fs::read_dir(folder).unwrap().count();
        let named = || Part::named(open_root(folder).unwrap(), "x");
        for make in [&named as &dyn Fn() -> _, &|| Part::create(folder, "x")] {
            for text in ["one", "two"] {
                let whole = files();
                let part = make().unwrap().write(&Bytes::from_static(b"cut"));
                drop(part.unwrap());
                assert_eq!(files(), whole, "what was cut is gone");
                let part = make().unwrap().write(&text.into()).unwrap();
                part.finish().unwrap();
                assert_eq!(fs::read_to_string(folder.join("x")).unwrap(), text);
                assert_eq!(files(), 1);
            }
        }
    }
}
