//! What an operator may say, and what is refused.

use std::path::Path;

use crate::pictures::args;

/// Nothing, whatever the environment of the test says.
const NOTHING: [(&str, &str); 10] = [
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

/// What is opened with these, or what is said.
fn open(given: &[(&str, &str)]) -> Result<&'static str, String> {
    let rest = NOTHING.iter().filter(|(flag, _)| given.iter().all(|(other, _)| other != flag));
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
fn a_directory_is_where_nothing_is_said_or_only_empty_variables() {
    assert_eq!(open(&[]), Ok("local"));
    assert_eq!(open(&[("--image-max-bytes", ""), ("--image-max-side", "")]), Ok("local"));
}

#[test]
fn keys_that_are_there_for_other_programs_configure_nothing() {
    assert_eq!(open(&KEYS), Ok("local"));
}

#[test]
fn a_whole_configuration_is_opened() {
    let [id, secret] = KEYS;
    assert_eq!(open(&[("--s3-bucket", "pictures"), id, secret]), Ok("s3"));
    let local = ("--s3-endpoint", "http://127.0.0.1:9000/");
    assert_eq!(open(&[("--s3-bucket", "pictures"), local, id, secret]), Ok("s3"));
    assert_eq!(open(&ACCOUNT), Ok("cloudinary"));
}

#[test]
fn half_a_configuration_is_refused_and_names_what_is_missing() {
    let [id, secret] = KEYS;
    let [name, key, _] = ACCOUNT;
    for (given, expected) in [
        (&[("--s3-bucket", "b")][..], "in S3, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as well"),
        (&[("--s3-bucket", "b"), id], "in S3, set AWS_SECRET_ACCESS_KEY as well"),
        (&[("--s3-endpoint", "http://s3"), id, secret], "in S3, set BODEGA_S3_BUCKET as well"),
        (&[("--s3-region", "eu-west-1"), id, secret], "in S3, set BODEGA_S3_BUCKET as well"),
        (&[name], "at Cloudinary, set CLOUD_API_KEY and CLOUD_API_SECRET as well"),
        (&[name, key], "at Cloudinary, set CLOUD_API_SECRET as well"),
        (&[key], "at Cloudinary, set CLOUD_NAME and CLOUD_API_SECRET as well"),
        (
            &[("--cloudinary-url", "http://cloudinary")],
            "at Cloudinary, set CLOUD_NAME and CLOUD_API_KEY and CLOUD_API_SECRET as well",
        ),
    ] {
        assert_eq!(open(given), Err(format!("to keep pictures {expected}")));
    }
}

#[test]
fn two_places_at_once_are_refused() {
    let both = [&[("--s3-bucket", "pictures")][..], &KEYS, &ACCOUNT].concat();
    let refused = open(&both).unwrap_err();
    assert!(refused.contains("BODEGA_S3_BUCKET or CLOUD_NAME, and not both"), "{refused}");
}

#[test]
fn a_directory_that_cannot_be_made_is_refused() {
    let flags = NOTHING.map(|(flag, value)| [flag, value]).concat();
    let refused = args(&flags).unwrap().open(Path::new("/dev/null/media")).unwrap_err();
    assert!(refused.to_string().contains("/dev/null/media"), "{refused}");
}

#[test]
fn values_that_cannot_be_are_refused_with_the_mend() {
    for (flag, value, mend) in [
        ("--image-max-bytes", "10 MB", "use a number of bytes from 1 to 104857600 (100 MiB)"),
        ("--image-max-bytes", "0", "use a number of bytes"),
        ("--image-max-bytes", "104857601", "use a number of bytes"),
        ("--image-max-side", "16385", "use a number of pixels from 1 to 16384"),
        ("--image-max-side", "-1", "use a number of pixels"),
        ("--s3-endpoint", "localhost:9000", "use a URL such as https://pictures.example.com"),
        ("--s3-public-url", "/media", "use a URL"),
        ("--cloudinary-url", "cloudinary://key:secret@demo", "use a URL"),
        ("--s3-bucket", "a/b", "use letters, digits, '-', '_' and '.'"),
        ("--cloud-name", "..", "use a name"),
    ] {
        let argument = format!("{flag}={value}");
        let refused = args(&[&argument]).unwrap_err().to_string();
        assert!(refused.contains(mend), "{argument}: {refused}");
    }
}
