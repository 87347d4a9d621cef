//! Files of the page, beneath their folder and nowhere else, whatever an address or a link says.

use super::Pages;
use super::answer::{said, typed};
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};
use hyper::body::Frame;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// The page where there is no folder.
const PAGE: &str = include_str!("page.html");
/// Folders beside the docroot in which a file is looked for too.
const SIBLINGS: [&str; 3] = ["src", "dist", "wip"];
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// The file of a decoded path.
pub(super) async fn file(pages: &Pages, path: &str) -> Response {
    let Some(name) = name(path) else {
        return missing();
    };
    if pages.docroot.is_none() && name == "index.html" {
        return typed(StatusCode::OK, "text/html", PAGE);
    }
    let kind = content_type(&name);
    let pages = pages.clone();
    let found = spawn_blocking(move || {
        let (file, len) = find(&pages, &name)?;
        let is_upload = is_upload(&pages, &name, &file);
        Some((file, len, is_upload))
    });
    let Ok(Some((file, len, is_upload))) = found.await else {
        return missing();
    };
    let mut response = typed(StatusCode::OK, kind, Body::new(Pieces::new(file, len)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    if is_upload {
        // What somebody has uploaded must not act as one of our pages.
        let sandbox = HeaderValue::from_static("sandbox");
        headers.insert(CONTENT_SECURITY_POLICY, sandbox);
    }
    response
}

/// Whether this is what somebody has uploaded, whichever address and link led to it.
fn is_upload(pages: &Pages, name: &str, file: &File) -> bool {
    let uploads = pages
        .upload_dir
        .as_ref()
        .and_then(|folder| folder.canonicalize().ok());
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let within = uploads.is_some_and(|folder| path.is_ok_and(|path| path.starts_with(folder)));
    within || name.starts_with("uploads/")
}

fn missing() -> Response {
    said(StatusCode::NOT_FOUND, "Not found")
}

/// The name of a file, if the path can be one: no part of it goes up or nowhere.
pub(super) fn name(path: &str) -> Option<String> {
    let name = path.strip_prefix('/')?;
    let name = if name.is_empty() { "index.html" } else { name };
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    name.split('/').all(good).then(|| name.to_owned())
}

fn find(pages: &Pages, name: &str) -> Option<(File, u64)> {
    if let Some(docroot) = &pages.docroot {
        let siblings = docroot.parent().into_iter();
        let siblings = siblings.flat_map(|parent| SIBLINGS.map(|name| parent.join(name)));
        let found = std::iter::once(docroot.clone())
            .chain(siblings)
            .find_map(|root| open(&root, name));
        if found.is_some() {
            return found;
        }
    }
    open(pages.upload_dir.as_ref()?, name.strip_prefix("uploads/")?)
}

/// A folder that the operator has named.
pub(super) fn open_root(root: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, root, flags, Mode::empty())
}

/// Opens what is beneath a folder: no link and no `..` leads out of it.
pub(super) fn open_beneath(
    root: impl AsFd,
    name: &str,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, name, flags | OFlags::CLOEXEC, Mode::empty(), beneath)
}

fn open(root: &Path, name: &str) -> Option<(File, u64)> {
    let root = open_root(root).ok()?;
    // A pipe that nobody writes to must not keep us.
    let file = open_beneath(&root, name, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    regular.then(|| (file.into(), stat.st_size.cast_unsigned()))
}

/// A piece that is being read, and the file for the next.
type Step = JoinHandle<io::Result<(File, Vec<u8>)>>;

/// A file as a body, read where waiting for a disk keeps nobody.
struct Pieces {
    step: Option<Step>,
    left: u64,
}

impl Pieces {
    fn new(file: File, left: u64) -> Self {
        let mut pieces = Self { step: None, left };
        pieces.read(file);
        pieces
    }

    fn read(&mut self, mut file: File) {
        if self.left == 0 {
            return;
        }
        let len = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        self.step = Some(spawn_blocking(move || {
            let mut bytes = vec![0; len];
            let n = file.read(&mut bytes)?;
            bytes.truncate(n);
            Ok((file, bytes))
        }));
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(step) = &mut self.step else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(step).poll(context));
        self.step = None;
        let (file, bytes) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Poll::Ready(Some(Err(error))),
            Err(_) => return Poll::Ready(Some(Err(io::Error::other("reading was ended")))),
        };
        if bytes.is_empty() {
            let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter");
            return Poll::Ready(Some(Err(cut)));
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.read(file);
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }
}

fn content_type(name: &str) -> &'static str {
    let (_, extension) = name.rsplit_once('.').unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html",
        "js" | "mjs" => "application/javascript",
        "css" => "text/css",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "py" => "text/x-python",
        "xml" => "text/xml",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/vnd.microsoft.icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_stay_beneath() {
        assert_eq!(name("/").as_deref(), Some("index.html"));
        assert_eq!(name("/a/b.js").as_deref(), Some("a/b.js"));
        for none in [
            "/..",
            "/../x",
            "/a/../x",
            "//etc/passwd",
            "/a/",
            "/.",
            "x",
            "/a\0",
        ] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
