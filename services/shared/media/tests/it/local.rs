//! Pictures in a directory.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bodega_media::{ImageUrls, Media};

use crate::pictures::{key, picture};

#[tokio::test]
async fn a_picture_is_kept_until_it_is_deleted_and_can_be_deleted_twice() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("not yet there #1 ü");
    let media = Media::local(&root);
    assert_eq!(media.storage(), "local");
    let picture = picture().await;
    let key = key(&picture);

    let links = media.put(&key, picture.clone()).await.unwrap();
    let (url, thumbnail_url) =
        (format!("/media/products/{}.jpg", key.id), format!("/media/products/{}-400.jpg", key.id));
    assert_eq!(links, ImageUrls { url, thumbnail_url });
    let original = root.join(key.to_string());
    let thumbnail = root.join(format!("products/{}-400.jpg", key.id));
    assert_eq!(fs::read(&original).unwrap(), picture.original);
    assert_eq!(fs::read(&thumbnail).unwrap(), picture.thumbnail);
    assert_eq!(files(&root), [&thumbnail, &original].map(PathBuf::clone));

    media.delete(&key).await.unwrap();
    assert_eq!(files(&root), Vec::<PathBuf>::new());
    media.delete(&key).await.unwrap();
}

#[tokio::test]
async fn files_are_readable_by_the_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let picture = picture().await;
    let key = key(&picture);
    Media::local(directory.path()).put(&key, picture).await.unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    // As whatever the process writes: its umask decides.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&directory.path().join(key.to_string())), mode(&plain));
}

#[tokio::test]
async fn what_a_killed_process_left_half_written_goes_with_its_picture() {
    let directory = tempfile::tempdir().unwrap();
    let media = Media::local(directory.path());
    let picture = picture().await;
    let key = key(&picture);
    let products = directory.path().join("products");
    fs::create_dir(&products).unwrap();
    for staged in [format!("{}.jpg#1", key.id), format!("{}-400.jpg#1", key.id)] {
        fs::write(products.join(staged), "half").unwrap();
    }
    media.delete(&key).await.unwrap();
    assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_half_written() {
    let directory = tempfile::tempdir().unwrap();
    let media = Media::local(directory.path());
    let picture = picture().await;
    let key = key(&picture);
    // A directory has the picture's name, so that it cannot be moved there.
    let taken = directory.path().join(key.to_string()).join("taken");
    fs::create_dir_all(taken.parent().unwrap()).unwrap();
    fs::write(&taken, "").unwrap();

    let error = media.put(&key, picture).await.unwrap_err().to_string();
    assert!(error.starts_with("the storage of pictures: "), "{error}");
    assert!(files(directory.path()).iter().all(|file| !file.to_string_lossy().contains('#')));
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_an_error_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let media = Media::local(&file.join("media"));
    let picture = picture().await;
    let key = key(&picture);
    media.put(&key, picture).await.unwrap_err();
    media.delete(&key).await.unwrap_err();
}

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("media");
    let picture = picture().await;
    let mut key = key(&picture);
    key.folder = "../outside".to_owned();
    let media = Media::local(&root);
    media.put(&key, picture).await.unwrap();
    assert!(files(directory.path()).iter().all(|file| file.starts_with(&root)));
    media.delete(&key).await.unwrap();
    assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
}

/// All files below `directory`, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
