//! The certificate that a server makes for itself, once, and finds again in the vault.

use super::{Error, Pair};
use crate::Admission;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

/// Names that are in every certificate.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Characters of all names together, so that the certificate has room in the vault.
const MAX_NAMES: usize = 1024;

/// The certificate for these names and its key.
pub(super) fn pair(names: &[String], admission: &Admission) -> Result<Pair, Error> {
    let names = all(names);
    let mark = Sha256::digest(names.join("\n"));
    let kept = admission.certificate();
    if let Some(pair) = kept.as_deref().and_then(|kept| unpack(kept, &mark)) {
        return Ok(pair);
    }
    let (cert, key) = make(names)?;
    admission.keep_certificate(pack(&mark, &cert, &key));
    Ok(Pair {
        chain: vec![cert],
        key: key.into(),
    })
}

/// Sorted, each once, as many as there is room for.
fn all(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ALWAYS.map(str::to_owned).into();
    let mut room = MAX_NAMES;
    for name in names {
        let name = name.to_ascii_lowercase();
        if name.len() <= room && !all.contains(&name) {
            room -= name.len();
            all.push(name);
        }
    }
    all.sort();
    all
}

fn make(
    names: Vec<String>,
) -> Result<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>), Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "anywire (self-signed)");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 12, 31);
    let cert = params.self_signed(&key)?.into();
    Ok((cert, key.serialize_der().into()))
}

/// The names' digest (32 bytes), the certificate's length (2, big-endian), the certificate, the key.
fn pack(mark: &[u8], cert: &[u8], key: &PrivatePkcs8KeyDer<'_>) -> Vec<u8> {
    let len = u16::try_from(cert.len()).unwrap_or(u16::MAX);
    [mark, &len.to_be_bytes(), cert, key.secret_pkcs8_der()].concat()
}

fn unpack(bytes: &[u8], mark: &[u8]) -> Option<Pair> {
    let rest = bytes.strip_prefix(mark)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (cert, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    let key = PrivatePkcs8KeyDer::from(key.to_vec());
    Some(Pair {
        chain: vec![CertificateDer::from(cert.to_vec())],
        key: PrivateKeyDer::Pkcs8(key),
    })
}
