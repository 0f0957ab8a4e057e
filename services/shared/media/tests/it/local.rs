//! The storage in a directory.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bodega_media::{ImageUrls, Media};

use crate::images::{encoded_image, key};

#[tokio::test]
async fn stores_an_image_until_it_is_deleted_and_deletes_it_twice() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("not yet there #1 ü");
    let media = Media::local(&root);
    assert_eq!(media.storage(), "local");
    let image = encoded_image().await;
    let key = key(&image);

    let urls = media.put(&key, image.clone()).await.unwrap();
    let (url, thumbnail_url) =
        (format!("/media/products/{}.jpg", key.id), format!("/media/products/{}-400.jpg", key.id));
    assert_eq!(urls, ImageUrls { url, thumbnail_url });
    let original = root.join(key.to_string());
    let thumbnail = root.join(format!("products/{}-400.jpg", key.id));
    assert_eq!(fs::read(&original).unwrap(), image.original);
    assert_eq!(fs::read(&thumbnail).unwrap(), image.thumbnail);
    assert_eq!(files(&root), [&thumbnail, &original].map(PathBuf::clone));

    media.delete(&key).await.unwrap();
    assert_eq!(files(&root), Vec::<PathBuf>::new());
    media.delete(&key).await.unwrap();
}

#[tokio::test]
async fn files_have_the_default_permissions() {
    let directory = tempfile::tempdir().unwrap();
    let image = encoded_image().await;
    let key = key(&image);
    Media::local(directory.path()).put(&key, image).await.unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    // The umask of the process decides, so that the gateway can read the files.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&directory.path().join(key.to_string())), mode(&plain));
}

#[tokio::test]
async fn deletes_incomplete_files_of_a_killed_process() {
    let directory = tempfile::tempdir().unwrap();
    let media = Media::local(directory.path());
    let image = encoded_image().await;
    let key = key(&image);
    let products = directory.path().join("products");
    fs::create_dir(&products).unwrap();
    for staged in [format!("{}.jpg#1", key.id), format!("{}-400.jpg#1", key.id)] {
        fs::write(products.join(staged), "half").unwrap();
    }
    media.delete(&key).await.unwrap();
    assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_failed_write_leaves_no_incomplete_file() {
    let directory = tempfile::tempdir().unwrap();
    let media = Media::local(directory.path());
    let image = encoded_image().await;
    let key = key(&image);
    // A directory with the name of the image, so that the file cannot be renamed to it.
    let taken = directory.path().join(key.to_string()).join("taken");
    fs::create_dir_all(taken.parent().unwrap()).unwrap();
    fs::write(&taken, "").unwrap();

    let error = media.put(&key, image).await.unwrap_err().to_string();
    assert!(error.starts_with("image storage failed: "), "{error}");
    assert!(files(directory.path()).iter().all(|file| !file.to_string_lossy().contains('#')));
}

#[tokio::test]
async fn returns_an_error_when_the_directory_cannot_be_created() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let media = Media::local(&file.join("media"));
    let image = encoded_image().await;
    let key = key(&image);
    media.put(&key, image).await.unwrap_err();
    media.delete(&key).await.unwrap_err();
}

#[tokio::test]
async fn keys_cannot_escape_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("media");
    let image = encoded_image().await;
    let mut key = key(&image);
    key.folder = "../outside".to_owned();
    let media = Media::local(&root);
    media.put(&key, image).await.unwrap();
    assert!(files(directory.path()).iter().all(|file| file.starts_with(&root)));
    media.delete(&key).await.unwrap();
    assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
}

/// Returns all files below `directory`, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
