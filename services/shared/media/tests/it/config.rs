//! Accepted and rejected settings.

use std::path::Path;

use crate::images::args;

/// Empty settings, which override the environment of the test.
const UNSET: [(&str, &str); 10] = [
    ("--s3-bucket", ""),
    ("--s3-endpoint", ""),
    ("--s3-region", ""),
    ("--s3-public-url", ""),
    ("--aws-access-key-id", ""),
    ("--aws-secret-access-key", ""),
    ("--cloud-name", ""),
    ("--cloud-api-key", ""),
    ("--cloud-api-secret", ""),
    ("--cloudinary-url", ""),
];

/// Returns the name of the storage that is opened, or the error.
fn open(given: &[(&str, &str)]) -> Result<&'static str, String> {
    let rest = UNSET.iter().filter(|(flag, _)| given.iter().all(|(other, _)| other != flag));
    let arguments: Vec<_> = given.iter().chain(rest).flat_map(|(flag, value)| [*flag, *value]).collect();
    let args = args(&arguments).map_err(|error| error.to_string())?;
    let media = args.open(Path::new(env!("CARGO_TARGET_TMPDIR"))).map_err(|error| format!("{error:#}"))?;
    for shown in [format!("{args:?}"), format!("{media:?}")] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    Ok(media.storage())
}

const KEYS: [(&str, &str); 2] = [("--aws-access-key-id", "hunter1"), ("--aws-secret-access-key", "hunter2")];
const ACCOUNT: [(&str, &str); 3] =
    [("--cloud-name", "demo"), ("--cloud-api-key", "hunter1"), ("--cloud-api-secret", "hunter2")];

#[test]
fn uses_the_directory_when_settings_are_missing_or_empty() {
    assert_eq!(open(&[]), Ok("local"));
    assert_eq!(open(&[("--image-max-bytes", ""), ("--image-max-side", "")]), Ok("local"));
}

#[test]
fn access_keys_alone_configure_no_storage() {
    assert_eq!(open(&KEYS), Ok("local"));
}

#[test]
fn opens_a_complete_configuration() {
    let [id, secret] = KEYS;
    assert_eq!(open(&[("--s3-bucket", "images"), id, secret]), Ok("s3"));
    let local = ("--s3-endpoint", "http://127.0.0.1:9000/");
    assert_eq!(open(&[("--s3-bucket", "images"), local, id, secret]), Ok("s3"));
    assert_eq!(open(&ACCOUNT), Ok("cloudinary"));
}

#[test]
fn rejects_an_incomplete_configuration_and_names_the_missing_settings() {
    let [id, secret] = KEYS;
    let [name, key, _] = ACCOUNT;
    for (given, expected) in [
        (&[("--s3-bucket", "b")][..], "in S3, also set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (&[("--s3-bucket", "b"), id], "in S3, also set AWS_SECRET_ACCESS_KEY"),
        (&[("--s3-endpoint", "http://s3"), id, secret], "in S3, also set BODEGA_S3_BUCKET"),
        (&[("--s3-region", "eu-west-1"), id, secret], "in S3, also set BODEGA_S3_BUCKET"),
        (&[name], "at Cloudinary, also set CLOUD_API_KEY and CLOUD_API_SECRET"),
        (&[name, key], "at Cloudinary, also set CLOUD_API_SECRET"),
        (&[key], "at Cloudinary, also set CLOUD_NAME and CLOUD_API_SECRET"),
        (
            &[("--cloudinary-url", "http://cloudinary")],
            "at Cloudinary, also set CLOUD_NAME and CLOUD_API_KEY and CLOUD_API_SECRET",
        ),
    ] {
        assert_eq!(open(given), Err(format!("to store images {expected}")));
    }
}

#[test]
fn rejects_two_storages() {
    let both = [&[("--s3-bucket", "images")][..], &KEYS, &ACCOUNT].concat();
    let rejected = open(&both).unwrap_err();
    assert!(rejected.contains("BODEGA_S3_BUCKET or CLOUD_NAME, and not both"), "{rejected}");
}

#[test]
fn rejects_a_directory_that_cannot_be_created() {
    let flags = UNSET.map(|(flag, value)| [flag, value]).concat();
    let rejected = args(&flags).unwrap().open(Path::new("/dev/null/media")).unwrap_err();
    assert!(rejected.to_string().contains("/dev/null/media"), "{rejected}");
}

#[test]
fn rejects_invalid_values_with_the_valid_ones() {
    for (flag, value, expected) in [
        ("--image-max-bytes", "10 MB", "must be a number of bytes between 1 and 104857600 (100 MiB)"),
        ("--image-max-bytes", "0", "must be a number of bytes"),
        ("--image-max-bytes", "104857601", "must be a number of bytes"),
        ("--image-max-side", "16385", "must be a number of pixels between 1 and 16384"),
        ("--image-max-side", "-1", "must be a number of pixels"),
        ("--s3-endpoint", "localhost:9000", "must be a URL such as https://images.example.com"),
        ("--s3-public-url", "/media", "must be a URL"),
        ("--cloudinary-url", "cloudinary://key:secret@demo", "must be a URL"),
        ("--s3-bucket", "a/b", "must consist of letters, digits, '-', '_' and '.'"),
        ("--cloud-name", "..", "must be a name"),
    ] {
        let argument = format!("{flag}={value}");
        let rejected = args(&[&argument]).unwrap_err().to_string();
        assert!(rejected.contains(expected), "{argument}: {rejected}");
    }
}
