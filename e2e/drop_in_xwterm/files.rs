//! Files of the pages and uploads: beneath their folders and nowhere else.

use super::kit::{Upload, config, get, http, logged, start};
use anywire_testkit::xwterm::request;
use anywire_testkit::{processes, wait_until};
use std::process::Command;

fn fifo(path: &std::path::Path) {
    let status = Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("mkfifo runs");
    assert!(status.success());
}

#[tokio::test]
async fn addresses_do_not_lead_out_of_the_docroot() {
    let server = config(&[])
        .with("example/sub/in.txt", "in")
        .with("secret.txt", "secret")
        .with("example-sibling/secret.txt", "secret")
        .start();
    let docroot = server.dir().join("example");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, docroot.join(name)).unwrap();
    link("../secret.txt", "out.txt");
    link("/etc", "etc");
    link("sub/in.txt", "within.txt");
    link("/proc/self/fd", "magic");
    fifo(&docroot.join("pipe"));
    assert_eq!(get(&server, "/within.txt").await.text(), "in");
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "///etc/passwd",
        "/out.txt",
        "/etc/passwd",
        "/magic/0",
        "/pipe",
        "/../example-sibling/secret.txt",
        "/a%00b",
        "/..%5csecret.txt",
    ] {
        let answer = get(&server, path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for path in [
        "/../evil.txt".to_owned(),
        "/%2e%2e/evil.txt".to_owned(),
        "/..%2fevil.txt".to_owned(),
        format!("/{}", server.dir().join("evil.txt").display()),
        "/".to_owned(),
        "/missing/evil.txt".to_owned(),
        "/out/evil.txt".to_owned(),
        "/%00".to_owned(),
    ] {
        std::os::unix::fs::symlink("..", server.dir().join("example/uploads/out")).ok();
        let answer = request(http(&server), "PUT", &path, &[], b"evil").await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (500, "Error uploading file"),
            "{path}"
        );
    }
    for place in ["evil.txt", "example/evil.txt"] {
        assert!(!server.dir().join(place).exists(), "{place}");
    }
    // A link in the place of a file is replaced, not followed.
    std::os::unix::fs::symlink("../../secret.txt", server.dir().join("example/uploads/l")).unwrap();
    let answer = request(http(&server), "PUT", "/l", &[], b"mine").await;
    assert_eq!(answer.status, 200);
    let secret = std::fs::read(server.dir().join("secret.txt")).unwrap();
    assert_eq!(secret, b"secret");
    assert_eq!(get(&server, "/uploads/l").await.text(), "mine");
    server.stop().await;
}

#[tokio::test]
async fn uploads_are_streamed_and_whole_or_not_there() {
    let server = start();
    let uploads = server.dir().join("example/uploads");
    assert!(uploads.is_dir(), "made at the start");
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let name = "/gr%C3%B6%C3%9Fe%20x.bin";
    let kind = [("Content-Type", "application/octet-stream")];
    let answer = request(http(&server), "PUT", name, &kind, &large).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(
        std::fs::read(uploads.join("gr\u{f6}\u{df}e x.bin")).unwrap(),
        large
    );
    let back = get(&server, &format!("/uploads{name}")).await;
    assert_eq!(back.body, large);
    assert_eq!(back.header("content-security-policy"), Some("sandbox"));
    std::fs::create_dir(uploads.join("sub")).unwrap();
    for body in [&b"one"[..], b"two", b""] {
        let answer = request(http(&server), "PUT", "/sub/x", &kind, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(std::fs::read(uploads.join("sub/x")).unwrap(), body);
    }
    // One that breaks leaves what was there.
    let pid = server.server_pid().unwrap();
    let folder = uploads.join("sub");
    let mut broken = Upload::begin(http(&server), "/sub/x", 1000).await;
    broken.write(b"part").await;
    wait_until("the upload to begin", || Upload::is_open(pid, &folder)).await;
    drop(broken);
    wait_until("the part to go", || {
        Upload::is_open(pid, &folder).is_none().then_some(())
    })
    .await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(std::fs::read(uploads.join("sub/x")).unwrap(), b"");
    server.stop().await;
}

/// More than the server may keep of an upload.
const GROWTH: u64 = 16 << 20;

#[tokio::test]
async fn a_large_upload_is_streamed_told_about_and_renamed_at_the_end() {
    const LEN: usize = 150 << 20;
    let server = start();
    let uploads = server.dir().join("example/uploads");
    std::fs::write(uploads.join("large"), "before").unwrap();
    let pid = server.server_pid().unwrap();
    let mut upload = Upload::begin(http(&server), "/large", LEN).await;
    let piece: Vec<u8> = (0..1 << 20u32).map(|n| (n * 7 % 251) as u8).collect();
    upload.write(&piece).await;
    wait_until("the upload to begin", || Upload::is_open(pid, &uploads)).await;
    let (before, mut most) = (processes::resident(pid), 0);
    for _ in 1..LEN >> 20 {
        upload.write(&piece).await;
        most = processes::resident(pid).max(most);
    }
    assert_eq!(upload.end().await, "HTTP/1.1 200 OK");
    assert!(
        most < before + GROWTH,
        "{before} bytes before, {most} while it came"
    );
    let told = logged(&server);
    assert_eq!(
        told.matches("uploading").count(),
        2,
        "at 64 and 128 MiB: {told}"
    );
    assert_eq!(told.matches("uploaded").count(), 1);
    assert_eq!(
        std::fs::metadata(uploads.join("large")).unwrap().len(),
        LEN as u64
    );
    assert_eq!(
        std::fs::read_dir(&uploads).unwrap().count(),
        1,
        "nothing beside it"
    );
    // A folder cannot be replaced, and nothing is left of trying.
    std::fs::create_dir(uploads.join("folder")).unwrap();
    let answer = request(http(&server), "PUT", "/folder", &[], b"x").await;
    assert_eq!(answer.status, 500);
    assert!(answer.header("set-cookie").is_some());
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn until_it_is_whole_an_upload_replaces_nothing() {
    let server = start();
    let uploads = server.dir().join("example/uploads");
    std::fs::write(uploads.join("x"), "before").unwrap();
    let pid = server.server_pid().unwrap();
    let mut upload = Upload::begin(http(&server), "/x", 10).await;
    upload.write(b"after").await;
    wait_until("the upload to begin", || Upload::is_open(pid, &uploads)).await;
    assert_eq!(get(&server, "/uploads/x").await.text(), "before");
    assert_eq!(get(&server, "/uploads/").await.status, 404);
    upload.write(b"wards").await;
    assert_eq!(upload.end().await, "HTTP/1.1 200 OK");
    assert_eq!(get(&server, "/uploads/x").await.text(), "afterwards");
    server.stop().await;
}

#[tokio::test]
async fn uploads_cannot_act_as_pages_wherever_they_lie() {
    let sandboxed = async |arguments: &[&str], path: &str| {
        let server = config(arguments).with("src/page.html", "ours").start();
        let links = server.dir().join("example/link");
        std::os::unix::fs::symlink("in/here", links).unwrap();
        let put = request(http(&server), "PUT", "/evil.html", &[], b"evil").await;
        assert_eq!(put.status, 200);
        let answer = get(&server, path).await;
        assert_eq!(answer.text(), "evil", "{path}");
        let csp = answer.header("content-security-policy");
        assert_eq!(csp, Some("sandbox"), "{path}");
        for ours in ["/", "/page.html"] {
            let csp = get(&server, ours).await;
            let csp = csp
                .header("content-security-policy")
                .unwrap_or_default()
                .to_owned();
            assert!(csp.starts_with("frame-ancestors"), "{ours}: {csp}");
        }
        server.stop().await;
    };
    sandboxed(&[], "/uploads/evil.html").await;
    sandboxed(&["-upload-dir", "elsewhere"], "/uploads/evil.html").await;
    sandboxed(&["-upload-dir", "example/in/here"], "/uploads/evil.html").await;
    sandboxed(&["-upload-dir", "example/in/here"], "/in/here/evil.html").await;
    sandboxed(&["-upload-dir", "example/in/here"], "/link/evil.html").await;
    sandboxed(&["-upload-dir", "src/in"], "/in/evil.html").await;
}

#[tokio::test]
async fn without_a_folder_for_them_uploads_are_refused() {
    // Where a file is, no folder can be made.
    let server = config(&["-upload-dir", "example/index.html/uploads"]).start();
    let answer = request(http(&server), "PUT", "/x", &[], b"x").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (500, "Bad request")
    );
    assert_eq!(get(&server, "/").await.status, 200);
    server.stop().await;
}
