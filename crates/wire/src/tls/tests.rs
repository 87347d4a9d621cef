//! Certificates: kept, exchanged, refused.

use super::*;
use crate::admit::{Options as Access, Rules};
use parking_lot::Mutex;

fn admission(vault: Option<Vec<u8>>) -> (Admission, Arc<Mutex<Vec<u8>>>) {
    let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
    let keep = kept.clone();
    let mut access = Access::new(Rules::default());
    access.vault = vault;
    access.save = Box::new(move |bytes| bytes.clone_into(&mut keep.lock()));
    (Admission::new(access), kept)
}

fn own(names: &[&str], admission: &Admission) -> Tls {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Tls::new(Options::SelfSigned { names }, admission).unwrap()
}

#[test]
fn a_successor_presents_the_same_certificate() {
    let (first, kept) = admission(None);
    let fingerprint = own(&["term.example"], &first).fingerprint();
    assert_eq!(fingerprint.len(), 32 * 3 - 1);
    let (next, _) = admission(Some(kept.lock().clone()));
    assert_eq!(own(&["term.example"], &next).fingerprint(), fingerprint);
    // Other names need another one; so does a vault that was lost.
    assert_ne!(own(&["other.example"], &next).fingerprint(), fingerprint);
    let (lost, _) = admission(None);
    assert_ne!(own(&["term.example"], &lost).fingerprint(), fingerprint);
}

#[test]
fn many_names_still_have_room() {
    let (first, kept) = admission(None);
    let names: Vec<String> = (0..200).map(|n| format!("host-{n}.example")).collect();
    let options = Options::SelfSigned { names };
    let fingerprint = Tls::new(options.clone(), &first).unwrap().fingerprint();
    let (next, _) = admission(Some(kept.lock().clone()));
    assert_eq!(Tls::new(options, &next).unwrap().fingerprint(), fingerprint);
}

/// Files in a folder that goes with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A fresh pair in files of these names.
    fn pair(&self) -> Options {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert = params.self_signed(&key).unwrap();
        Options::Files {
            cert: self.write("cert.pem", &pem("CERTIFICATE", cert.der())),
            key: self.write("key.pem", &pem("PRIVATE KEY", key.serialized_der())),
        }
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
}

#[test]
fn files_are_read_again_and_broken_ones_change_nothing() {
    let (admission, _) = admission(None);
    let folder = Folder::new();
    let tls = Tls::new(folder.pair(), &admission).unwrap();
    let first = tls.fingerprint();
    tls.reload().unwrap();
    assert_eq!(tls.fingerprint(), first);
    folder.pair();
    tls.reload().unwrap();
    let second = tls.fingerprint();
    assert_ne!(second, first);
    folder.write("cert.pem", "no certificate");
    let error = tls.reload().unwrap_err().to_string();
    assert!(
        error.contains("cert.pem") && error.contains("BEGIN CERTIFICATE"),
        "{error}"
    );
    assert_eq!(tls.fingerprint(), second);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (admission, _) = admission(None);
    let (one, other) = (Folder::new(), Folder::new());
    let (Options::Files { cert, .. }, Options::Files { key, .. }) = (one.pair(), other.pair())
    else {
        unreachable!()
    };
    let mixed = Options::Files { cert, key };
    assert!(matches!(Tls::new(mixed, &admission), Err(Error::Pair(_))));
    let missing = Options::Files {
        cert: one.0.path().join("none.pem"),
        key: one.0.path().join("key.pem"),
    };
    let error = Tls::new(missing, &admission).unwrap_err().to_string();
    assert!(error.contains("none.pem"), "{error}");
}
