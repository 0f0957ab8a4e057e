//! Pictures that are in a directory: they are shown for ever, and nothing else is.

use std::{fs, os::unix::fs::symlink, path::Path};

use http::Method;
use tempfile::TempDir;

use crate::shop::{Answered as _, Shop};

const ID: &str = "0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f";
const OTHER: &str = "0197f0c5-a1b2-7c3d-8e4f-000000000000";

/// What a picture has for bytes: more than is worth compressing, and easily compressed.
fn bytes() -> String {
    "picture ".repeat(1000)
}

/// A shop with pictures in two rooms, and secrets beside them.
async fn shop() -> (Shop, TempDir) {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("media");
    for room in ["products", "avatars"] {
        fs::create_dir_all(root.join(room)).unwrap();
        for name in [format!("{ID}.jpg"), format!("{ID}-400.jpg"), format!("{ID}.png")] {
            fs::write(root.join(room).join(name), bytes()).unwrap();
        }
    }
    fs::write(dir.path().join(format!("{ID}.jpg")), "secret").unwrap();
    fs::write(root.join(format!("{ID}.jpg")), "secret").unwrap();
    fs::write(root.join("products").join(format!("{ID}.svg")), "secret").unwrap();
    fs::write(root.join("products").join(format!("{ID}.jpg#1")), "secret").unwrap();
    let shop = open(&root).await;
    (shop, dir)
}

async fn open(root: &Path) -> Shop {
    let root = root.to_owned();
    Shop::open_with(|settings, _| settings.media_dir = Some(root)).await
}

#[tokio::test]
async fn a_picture_is_shown_as_a_picture_and_may_be_kept_for_ever() {
    let (shop, _dir) = shop().await;
    for (path, media_type) in [
        (format!("/media/products/{ID}.jpg"), "image/jpeg"),
        (format!("/media/products/{ID}-400.jpg"), "image/jpeg"),
        (format!("/media/avatars/{ID}.png"), "image/png"),
    ] {
        for encoding in ["identity", "gzip, br, deflate, zstd"] {
            let ask = |method| shop.request(method, &path).header("accept-encoding", encoding);
            let answer = ask(Method::GET).answer().await;
            assert_eq!((answer.status, answer.text.as_str()), (200, bytes().as_str()), "{path}");
            assert_eq!(answer.header("content-type"), media_type);
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("content-encoding"), "");
            assert_eq!(answer.header("content-length"), bytes().len().to_string());

            let head = ask(Method::HEAD).answer().await;
            assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
            for name in ["content-type", "cache-control", "content-length", "etag", "content-security-policy"]
            {
                assert!(!head.header(name).is_empty(), "{name}");
                assert_eq!(head.header(name), answer.header(name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_picture_that_a_client_has_is_not_sent_again() {
    let (shop, _dir) = shop().await;
    let path = format!("/media/products/{ID}.jpg");
    let first = shop.get(&path).answer().await;
    for (name, value) in
        [("if-none-match", first.header("etag")), ("if-modified-since", first.header("last-modified"))]
    {
        let again = shop.get(&path).header(name, value).answer().await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{name}: {value}");
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("cache-control"), "public, max-age=31536000, immutable");
    }
    assert_eq!(shop.get(&path).header("if-none-match", "\"other\"").answer().await.status, 200);
    let other = shop.get(&path).header("if-match", "\"other\"").answer().await;
    other.problem(412, "precondition_failed");
}

#[tokio::test]
async fn a_part_of_a_picture_may_be_had() {
    let (shop, _dir) = shop().await;
    let path = format!("/media/products/{ID}.jpg");
    let answer = shop.get(&path).header("range", "bytes=3-6").answer().await;
    assert_eq!((answer.status, answer.text.as_str()), (206, &bytes()[3..=6]));
    assert_eq!(answer.header("content-range"), "bytes 3-6/8000");
    let beyond = shop.get(&path).header("range", "bytes=9000-").answer().await;
    beyond.problem(416, "range_not_satisfiable");
    assert_eq!(
        (beyond.header("content-range"), beyond.header("cache-control")),
        ("bytes */8000", "no-store")
    );
    let several = shop.get(&path).header("range", "bytes=0-1,5-6").answer().await;
    assert_eq!((several.status, several.text.len()), (200, bytes().len()));
}

#[tokio::test]
async fn there_is_nothing_to_be_had_but_pictures_by_their_own_names() {
    let (shop, _dir) = shop().await;
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
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        let answer = shop.send_raw(request).await;
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.text.contains("secret"), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let none = shop.get(&format!("/media/products/{OTHER}.jpg")).answer().await;
    none.problem(404, "picture_not_found");
}

#[tokio::test]
async fn a_name_may_be_spelled_with_escapes() {
    let (shop, _dir) = shop().await;
    let path = format!("/media/%70roducts%2F{ID}%2ejpg?size=large");
    assert_eq!(shop.get(&path).answer().await.status, 200);
}

#[tokio::test]
async fn what_a_link_leads_to_is_no_picture() {
    let (shop, dir) = shop().await;
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
        shop.get(&format!("/media/{key}")).answer().await.problem(404, "picture_not_found");
    }
}

#[tokio::test]
async fn the_directory_itself_may_be_a_link_and_may_be_made_later() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("media");
    let shop = open(&root).await;
    let path = format!("/media/products/{ID}.jpg");
    shop.get(&path).answer().await.problem(404, "picture_not_found");

    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("products")).unwrap();
    fs::write(elsewhere.join("products").join(format!("{ID}.jpg")), bytes()).unwrap();
    symlink(elsewhere, root).unwrap();
    assert_eq!(shop.get(&path).answer().await.text, bytes());
}

#[tokio::test]
async fn pictures_are_only_looked_at() {
    let (shop, dir) = shop().await;
    let path = format!("/media/products/{ID}.jpg");
    for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        let request = shop.request(method, &path).bearer_auth(shop.identity.admin()).body("other");
        let answer = request.answer().await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD");
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("media/products").join(format!("{ID}.jpg"))).unwrap(),
        bytes()
    );
}
