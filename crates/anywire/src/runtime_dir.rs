//! The folder of a user's running servers: one socket for each, for that user alone.
//!
//! Whoever can write there could stand in for a server, and whoever can connect there owns the sessions, so a folder
//! that belongs to somebody else or that others can enter is refused rather than repaired.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// A socket's file name is the server's name and this.
const SUFFIX: &str = ".sock";

/// The folder, made if need be: `$ANYWIRE_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/anywire`, else `/tmp/anywire-<uid>`.
///
/// # Errors
/// When it cannot be made, is no folder, belongs to another user, or others have any right to it.
pub fn open() -> Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let path = choose(|name| std::env::var_os(name), uid);
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("making the folder {}", path.display()));
        }
        _ => {}
    }
    check(&path, uid)?;
    Ok(path)
}

/// The folder as [`open`] gives it, if it is there already and ours.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let path = choose(|name| std::env::var_os(name), uid);
    check(&path, uid).ok().map(|()| path)
}

/// The socket of the server with this name.
///
/// # Errors
/// When the name is no plain file name: empty, hidden, or with a path separator.
pub fn socket(dir: &Path, name: &str) -> Result<PathBuf> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        bail!(
            "{name:?} is no name of a server; `ls {}` shows them",
            dir.display()
        );
    }
    Ok(dir.join(format!("{name}{SUFFIX}")))
}

/// The name of a server whose first listener has this address; on 127.0.0.1 the port says it all.
#[must_use]
pub fn name_of(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST {
        address.port().to_string()
    } else {
        address.to_string()
    }
}

/// Names and sockets of the servers that have one there, by name. Some may be stale.
///
/// # Errors
/// When the folder cannot be read.
pub fn sockets(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("reading {}", dir.display()))?
            .path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

fn choose(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    let variable = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(path) = variable("ANYWIRE_RUNTIME_DIR") {
        return path;
    }
    match variable("XDG_RUNTIME_DIR") {
        Some(path) => path.join("anywire"),
        None => PathBuf::from(format!("/tmp/anywire-{uid}")),
    }
}

/// Not following links: a link in a shared folder may point anywhere by the time it is used.
fn check(path: &Path, uid: u32) -> Result<()> {
    let shown = path.display();
    let found = fs::symlink_metadata(path).with_context(|| format!("looking at {shown}"))?;
    if !found.is_dir() {
        bail!("{shown} is no folder; set ANYWIRE_RUNTIME_DIR to one that only you can enter");
    }
    if found.uid() != uid {
        bail!(
            "{shown} belongs to user {}, not to you (user {uid}); set ANYWIRE_RUNTIME_DIR to a folder of your own",
            found.uid()
        );
    }
    if found.mode() & 0o077 != 0 {
        bail!(
            "others may enter {shown} (mode {:03o}); `chmod 700 {shown}` if it was meant for you alone",
            found.mode() & 0o777
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A folder that is ours alone.
    fn own() -> tempfile::TempDir {
        let mode = fs::Permissions::from_mode(0o700);
        tempfile::Builder::new()
            .permissions(mode)
            .tempdir()
            .unwrap()
    }

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn own_variable_first_then_xdg_then_tmp() {
        let both = |name: &str| {
            Some(OsString::from(if name.starts_with("ANY") {
                "/a"
            } else {
                "/x"
            }))
        };
        let xdg = |name: &str| name.starts_with("XDG").then(|| OsString::from("/x"));
        let empty = |_: &str| Some(OsString::new());
        assert_eq!(choose(both, 7), Path::new("/a"));
        assert_eq!(choose(xdg, 7), Path::new("/x/anywire"));
        assert_eq!(choose(empty, 7), Path::new("/tmp/anywire-7"));
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let temp = own();
        check(temp.path(), me()).unwrap();
        for mode in [0o701, 0o750, 0o777] {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = check(temp.path(), me()).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:03o}")), "{error}");
        }
    }

    #[test]
    fn another_users_folder_a_file_and_a_link_are_refused() {
        let temp = own();
        assert!(
            check(temp.path(), me() + 1)
                .unwrap_err()
                .to_string()
                .contains("belongs to user")
        );
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(
            check(&file, me())
                .unwrap_err()
                .to_string()
                .contains("is no folder")
        );
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(temp.path(), &link).unwrap();
        assert!(
            check(&link, me())
                .unwrap_err()
                .to_string()
                .contains("is no folder")
        );
    }

    #[test]
    fn names_are_file_names_and_sockets_are_found_by_name() {
        let temp = own();
        for name in ["", ".hidden", "../7681", "a/b"] {
            assert!(socket(temp.path(), name).is_err(), "{name:?}");
        }
        for name in ["8080", "7681"] {
            fs::write(socket(temp.path(), name).unwrap(), "").unwrap();
        }
        fs::write(temp.path().join("notes.txt"), "").unwrap();
        let names: Vec<_> = sockets(temp.path())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["7681", "8080"]);
    }
}
