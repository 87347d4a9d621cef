//! Certificates of every kind against what a user may trust, over a real handshake on loopback.

use super::*;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A certificate for localhost and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// As a server makes it, or as `openssl req -x509` does: that one is an authority's too.
fn pair(is_authority: bool) -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    Pair {
        certificate: params.self_signed(&key).unwrap().into(),
        key: key.serialize_der().into(),
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// One handshake with that certificate.
async fn shake(pair: &Pair, trust: &Trust, host: &str) -> Result<(), TlsError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = pair.key.clone_key();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.certificate.clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    };
    let tls = trust.tls(host).unwrap();
    let (shaken, ()) = tokio::join!(tls.connect(stream), accepting);
    shaken.map(drop)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn who_is_trusted_and_who_is_not() {
    for pair in [pair(false), pair(true)] {
        let file = file(&pem(&pair.certificate));
        let ca = Trust {
            ca: Some(file.path().to_owned()),
            fingerprint: None,
        };
        shake(&pair, &ca, "localhost").await.unwrap();
        // The certificate is the right one, the name is not.
        let error = shake(&pair, &ca, "127.0.0.1").await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("it is not for 127.0.0.1"), "{error}");
    }

    let pair = pair(false);
    let print = verify::fingerprint(&pair.certificate);
    let pin = |fingerprint| Trust {
        ca: None,
        fingerprint: Some(fingerprint),
    };
    // A pin is about the certificate, not about where it is.
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        shake(&pair, &pin(print), host).await.unwrap();
    }
    let error = shake(&pair, &pin(Fingerprint([7; 32])), "localhost").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("somebody is in between"), "{error}");

    // An authority that has nothing to do with it, and whatever this system trusts.
    let error = shake(&pair, &Trust::default(), "localhost")
        .await
        .unwrap_err();
    assert!(matches!(error, TlsError::Untrusted(_)), "{error}");
    let error = error.to_string();
    assert!(
        error.contains(&format!("--fingerprint {print}")) && error.contains("--ca"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_tls_is_said_to_be_none() {
    use tokio::io::AsyncWriteExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut plain, _) = listener.accept().await.unwrap();
    plain.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap();
    let tls = Trust::default().tls("localhost").unwrap();
    let shaken = tls.connect(stream).await.map(drop);
    assert!(matches!(shaken, Err(TlsError::Plain)), "{shaken:?}");
}

#[test]
fn fingerprints_are_read_as_anybody_writes_them() {
    let print = Fingerprint([0xab; 32]);
    let shown = print.to_string();
    assert!(shown.starts_with("AB:AB:") && shown.len() == 95, "{shown}");
    for text in [
        shown.clone(),
        "ab".repeat(32),
        format!("sha256:{}", "AB".repeat(32)),
        format!("SHA256:{shown}"),
    ] {
        assert_eq!(text.parse(), Ok(print), "{text}");
    }
    for wrong in ["", "ab", "sha256:", &"ab".repeat(33), &"xy".repeat(32)] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

#[test]
fn a_file_without_a_certificate_and_a_url_without_tls_are_told() {
    let file = file("nothing");
    let trust = Trust {
        ca: Some(file.path().to_owned()),
        fingerprint: None,
    };
    let error = trust.tls("localhost").unwrap_err().to_string();
    assert!(error.contains("no certificate in it"), "{error}");
    file.close().unwrap();
    let error = format!("{:#}", trust.tls("localhost").unwrap_err());
    assert!(error.contains("reading"), "{error}");
    assert!(trust.tls("a b").is_err());
    assert!(trust.is_not_for("http://x").is_err());
    assert!(Trust::default().is_not_for("http://x").is_ok());
}
