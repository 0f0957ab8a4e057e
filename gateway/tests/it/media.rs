//! Serving uploaded images from a local directory.

use std::{fs, os::unix::fs::symlink, path::Path};

use http::Method;
use tempfile::TempDir;

use crate::test_app::{SendRequest as _, TestApp};

const ID: &str = "0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f";
const OTHER: &str = "0197f0c5-a1b2-7c3d-8e4f-000000000000";

/// The content of an image: large and regular enough to be compressible.
fn bytes() -> String {
    "picture ".repeat(1000)
}

/// A gateway with images in two folders, and files beside them that must not be served.
async fn gateway() -> (TestApp, TempDir) {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("media");
    for folder in ["products", "avatars"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        for name in [format!("{ID}.jpg"), format!("{ID}-400.jpg"), format!("{ID}.png")] {
            fs::write(root.join(folder).join(name), bytes()).unwrap();
        }
    }
    fs::write(dir.path().join(format!("{ID}.jpg")), "secret").unwrap();
    fs::write(root.join(format!("{ID}.jpg")), "secret").unwrap();
    fs::write(root.join("products").join(format!("{ID}.svg")), "secret").unwrap();
    fs::write(root.join("products").join(format!("{ID}.jpg#1")), "secret").unwrap();
    let gateway = open(&root).await;
    (gateway, dir)
}

async fn open(root: &Path) -> TestApp {
    let root = root.to_owned();
    TestApp::start_with(|settings, _| settings.media_dir = Some(root)).await
}

#[tokio::test]
async fn serves_an_image_with_its_type_and_immutable_caching() {
    let (gateway, _dir) = gateway().await;
    for (path, media_type) in [
        (format!("/media/products/{ID}.jpg"), "image/jpeg"),
        (format!("/media/products/{ID}-400.jpg"), "image/jpeg"),
        (format!("/media/avatars/{ID}.png"), "image/png"),
    ] {
        for encoding in ["identity", "gzip, br, deflate, zstd"] {
            let request = |method| gateway.request(method, &path).header("accept-encoding", encoding);
            let response = request(Method::GET).fetch().await;
            assert_eq!((response.status, response.text.as_str()), (200, bytes().as_str()), "{path}");
            assert_eq!(response.header("content-type"), media_type);
            assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(response.header("content-security-policy"), "default-src 'none'; sandbox");
            assert_eq!(response.header("x-content-type-options"), "nosniff");
            assert_eq!(response.header("content-encoding"), "");
            assert_eq!(response.header("content-length"), bytes().len().to_string());

            let head = request(Method::HEAD).fetch().await;
            assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
            for name in ["content-type", "cache-control", "content-length", "etag", "content-security-policy"]
            {
                assert!(!head.header(name).is_empty(), "{name}");
                assert_eq!(head.header(name), response.header(name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn returns_304_for_an_image_that_the_client_has() {
    let (gateway, _dir) = gateway().await;
    let path = format!("/media/products/{ID}.jpg");
    let first = gateway.get(&path).fetch().await;
    for (name, value) in
        [("if-none-match", first.header("etag")), ("if-modified-since", first.header("last-modified"))]
    {
        let again = gateway.get(&path).header(name, value).fetch().await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{name}: {value}");
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("cache-control"), "public, max-age=31536000, immutable");
    }
    assert_eq!(gateway.get(&path).header("if-none-match", "\"other\"").fetch().await.status, 200);
    let other = gateway.get(&path).header("if-match", "\"other\"").fetch().await;
    other.problem(412, "precondition_failed");
}

#[tokio::test]
async fn serves_a_range_of_an_image() {
    let (gateway, _dir) = gateway().await;
    let path = format!("/media/products/{ID}.jpg");
    let response = gateway.get(&path).header("range", "bytes=3-6").fetch().await;
    assert_eq!((response.status, response.text.as_str()), (206, &bytes()[3..=6]));
    assert_eq!(response.header("content-range"), "bytes 3-6/8000");
    let beyond = gateway.get(&path).header("range", "bytes=9000-").fetch().await;
    beyond.problem(416, "range_not_satisfiable");
    assert_eq!(
        (beyond.header("content-range"), beyond.header("cache-control")),
        ("bytes */8000", "no-store")
    );
    let several = gateway.get(&path).header("range", "bytes=0-1,5-6").fetch().await;
    assert_eq!((several.status, several.text.len()), (200, bytes().len()));
}

#[tokio::test]
async fn serves_nothing_but_images_by_their_exact_names() {
    let (gateway, _dir) = gateway().await;
    for path in [
        "/media".to_owned(),
        "/media/".to_owned(),
        "/media/products".to_owned(),
        "/media/products/".to_owned(),
        format!("/media/{ID}.jpg"),
        format!("/media//{ID}.jpg"),
        format!("/media/products/{OTHER}.jpg"),
        format!("/media/nowhere/{ID}.jpg"),
        format!("/media/products/{ID}.svg"),
        format!("/media/products/{ID}.jpg/"),
        format!("/media/products/{ID}.jpg%231"),
        format!("/media/products/{ID}.jpg%00"),
        format!("/media/products/{ID}.jpg%00.png"),
        format!("/media/products//{ID}.jpg"),
        format!("/media/products%2f%2f{ID}.jpg"),
        format!("/media/products%5c{ID}.jpg"),
        format!("/media/PRODUCTS/{ID}.jpg"),
        format!("/media/products/{}.jpg", ID.to_uppercase()),
        format!("/media/products/{}.jpg", ID.replace('-', "")),
        format!("/media/./products/{ID}.jpg"),
        format!("/media/../{ID}.jpg"),
        format!("/media/../media/products/{ID}.jpg"),
        format!("/media/products/../{ID}.jpg"),
        format!("/media/products/../../{ID}.jpg"),
        format!("/media/%2e%2e/{ID}.jpg"),
        format!("/media/..%2f{ID}.jpg"),
        format!("/media/%2e%2e%2f{ID}.jpg"),
        format!("/media/%252e%252e%252f{ID}.jpg"),
        format!("/media/products%2f..%2f..%2f{ID}.jpg"),
        format!("/media/products/%c0%ae%c0%ae/{ID}.jpg"),
        "/media//etc/passwd".to_owned(),
        "/media/%2fetc%2fpasswd".to_owned(),
        "/media/%ff".to_owned(),
        format!("/media/{}/{ID}.jpg", "a".repeat(5000)),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        let response = gateway.send_raw(request).await;
        assert!([400, 404].contains(&response.status), "{path}: {response:?}");
        assert!(!response.text.contains("secret"), "{path}: {response:?}");
        assert_eq!(response.header("content-type"), "application/problem+json", "{path}: {response:?}");
        assert_eq!(response.header("cache-control"), "no-store", "{path}");
    }
    let none = gateway.get(&format!("/media/products/{OTHER}.jpg")).fetch().await;
    none.problem(404, "picture_not_found");
}

#[tokio::test]
async fn accepts_percent_encoded_names() {
    let (gateway, _dir) = gateway().await;
    let path = format!("/media/%70roducts%2F{ID}%2ejpg?size=large");
    assert_eq!(gateway.get(&path).fetch().await.status, 200);
}

#[tokio::test]
async fn does_not_follow_symbolic_links_to_images_or_folders() {
    let (gateway, dir) = gateway().await;
    let root = dir.path().join("media");
    let secret = dir.path().join(format!("{ID}.jpg"));
    symlink(&secret, root.join("products").join(format!("{OTHER}.jpg"))).unwrap();
    symlink(
        root.join("products").join(format!("{ID}.png")),
        root.join("products").join(format!("{OTHER}.png")),
    )
    .unwrap();
    symlink(dir.path(), root.join("outside")).unwrap();
    fs::create_dir(root.join("products").join(format!("{OTHER}-400.jpg"))).unwrap();
    for key in [
        format!("products/{OTHER}.jpg"),
        format!("products/{OTHER}.png"),
        format!("outside/{ID}.jpg"),
        format!("products/{OTHER}-400.jpg"),
    ] {
        gateway.get(&format!("/media/{key}")).fetch().await.problem(404, "picture_not_found");
    }
}

#[tokio::test]
async fn the_media_directory_may_be_a_link_and_may_be_created_later() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("media");
    let gateway = open(&root).await;
    let path = format!("/media/products/{ID}.jpg");
    gateway.get(&path).fetch().await.problem(404, "picture_not_found");

    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("products")).unwrap();
    fs::write(elsewhere.join("products").join(format!("{ID}.jpg")), bytes()).unwrap();
    symlink(elsewhere, root).unwrap();
    assert_eq!(gateway.get(&path).fetch().await.text, bytes());
}

#[tokio::test]
async fn rejects_other_methods_than_get_and_head() {
    let (gateway, dir) = gateway().await;
    let path = format!("/media/products/{ID}.jpg");
    for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        let request = gateway.request(method, &path).bearer_auth(gateway.identity.admin()).body("other");
        let response = request.fetch().await;
        response.problem(405, "method_not_allowed");
        assert_eq!(response.header("allow"), "GET,HEAD");
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("media/products").join(format!("{ID}.jpg"))).unwrap(),
        bytes()
    );
}
