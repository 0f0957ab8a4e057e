//! Finds the programs `postgres` and `initdb`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::data_dir::DataDir;
use crate::download;
use crate::user::ServerUser;

/// The oldest supported major version.
const MIN_VERSION: u32 = 14;

/// Where packages install Postgres, as `<parent>/<prefix><version>/bin`.
const PACKAGE_DIRS: [(&str, &str); 7] = [
    ("/usr/lib/postgresql", ""), // Debian and Ubuntu
    ("/usr", "pgsql-"),          // postgresql.org's packages for Red Hat
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
    ("/usr/local", "pgsql"), // built from source
];

/// The programs of one installation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    directory: PathBuf,
    version: u32,
}

impl Binaries {
    /// Finds an installation that can serve this data directory, or downloads one.
    ///
    /// # Errors
    /// When there is none and the download fails, and when the data was created by another version.
    pub(crate) fn find_or_download(data_dir: &DataDir) -> anyhow::Result<Binaries> {
        let (version, user) = (data_dir.version()?, data_dir.user);
        if let Some(directory) = env::var_os("PG_BIN_DIR").filter(|value| !value.is_empty()) {
            let directory = PathBuf::from(directory);
            return select(std::slice::from_ref(&directory), version, user)?.with_context(|| {
                format!(
                    "PG_BIN_DIR {} contains no Postgres {MIN_VERSION} or newer that {} can run",
                    directory.display(),
                    if user.is_some() { "the server's user" } else { "this user" }
                )
            });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let cache = download::cache();
        if let Some(found) = select(&search_path(&path, cache.as_deref()), version, user)? {
            return Ok(found);
        }
        let installed = cache.context("HOME is not set, so there is no directory to download it to");
        let directory = installed.and_then(|cache| download::install(&cache)).context(
            "Postgres is not installed: install it (`apt-get install postgresql`, `brew install postgresql`), \
             or set PG_BIN_DIR to the directory of its programs",
        )?;
        select(&[directory], version, user)?.context("the downloaded Postgres does not run on this machine")
    }

    /// Returns the installation in `directory`, or `None` if it is not usable.
    pub(crate) fn at(directory: &Path, user: Option<ServerUser>) -> Option<Binaries> {
        let postgres = directory.join("postgres");
        // A link in /usr/local/bin leads to the directory of the other programs.
        let directory = postgres.canonicalize().ok()?.parent()?.to_owned();
        let accessible = user.is_none_or(|user| user.can_enter(&directory));
        if !accessible || !directory.join("initdb").exists() {
            return None;
        }
        let output = Command::new(postgres).arg("--version").stderr(Stdio::null()).output().ok()?;
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = leading_number(String::from_utf8(output.stdout).ok()?.split(' ').nth(2)?)?;
        (version >= MIN_VERSION).then_some(Binaries { directory, version })
    }

    /// Returns the command that runs `program` as `user`.
    pub(crate) fn command(&self, program: &str, user: Option<ServerUser>) -> Command {
        let mut command = Command::new(self.directory.join(program));
        // The environment may contain secrets, and `PG…` variables that change what Postgres does.
        command.env_clear();
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        // Ctrl-C is sent to the terminal's whole process group: Postgres must outlive its clients.
        command.current_dir("/").process_group(0);
        if let Some(user) = user {
            user.apply_to(&mut command);
        }
        command
    }
}

/// Returns the first usable installation. Fails when there are only other versions than `required`.
fn select(
    directories: &[PathBuf],
    required: Option<u32>,
    user: Option<ServerUser>,
) -> anyhow::Result<Option<Binaries>> {
    let mut others = Vec::new();
    for directory in directories {
        match Binaries::at(directory, user) {
            Some(found) if required.is_none_or(|required| required == found.version) => {
                return Ok(Some(found));
            }
            Some(other) => others.push(other.version),
            None => {}
        }
    }
    if let (Some(required), Some(other)) = (required, others.first()) {
        bail!(
            "the data was created by Postgres {required}, but version {other} is installed: \
             install {required}, or set PG_BIN_DIR to the directory of its programs"
        );
    }
    Ok(None)
}

/// Returns all directories to search, in order of preference.
fn search_path(path: &OsStr, cache: Option<&Path>) -> Vec<PathBuf> {
    let packages = PACKAGE_DIRS.iter().map(|&(parent, prefix)| (Path::new(parent), prefix));
    let versioned = packages
        .chain(cache.map(|cache| (cache, download::DIRECTORY_PREFIX)))
        .flat_map(|(parent, prefix)| newest_first(parent, prefix));
    env::split_paths(path).chain(versioned).collect()
}

/// Lists `<parent>/<prefix><version>/bin` for each installed version.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            let version = if version.is_empty() { 0 } else { leading_number(version)? };
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TempDir;

    /// Creates a directory whose `postgres` reports `version`.
    fn installation(parent: &Path, name: &str, version: &str) -> PathBuf {
        let directory = parent.join(name).join("bin");
        fs::create_dir_all(&directory).unwrap();
        for program in ["postgres", "initdb"] {
            let script = directory.join(program);
            fs::write(&script, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    #[test]
    fn lists_the_newest_version_first() {
        let dir = TempDir::new("newest").unwrap();
        for version in ["9", "15", "18.4.0-beta.17", "10", "notes"] {
            installation(dir.path(), &format!("postgres-{version}"), version);
        }
        let found = newest_first(dir.path(), "postgres-");
        let expected = ["18.4.0-beta.17", "15", "10", "9"]
            .map(|version| dir.path().join(format!("postgres-{version}/bin")));
        assert_eq!(found, expected);
    }

    #[test]
    fn skips_unsupported_versions() {
        let dir = TempDir::new("old").unwrap();
        let old = installation(dir.path(), "old", "13.9");
        let good = installation(dir.path(), "good", "14.0");
        let found = select(&[old, good.clone()], None, None).unwrap().unwrap();
        assert_eq!(found, Binaries { directory: good.canonicalize().unwrap(), version: 14 });
    }

    #[test]
    fn rejects_a_version_that_did_not_create_the_data() {
        let dir = TempDir::new("made").unwrap();
        let newer = installation(dir.path(), "newer", "18devel");
        let same = installation(dir.path(), "same", "16.2");
        let found = select(&[newer.clone(), same], Some(16), None).unwrap().unwrap();
        assert_eq!(found.version, 16);
        let error = select(&[newer], Some(16), None).unwrap_err().to_string();
        assert!(error.starts_with("the data was created by Postgres 16"), "{error}");
    }

    #[test]
    fn ignores_a_directory_without_initdb() {
        let dir = TempDir::new("half").unwrap();
        let half = installation(dir.path(), "half", "16.2");
        fs::remove_file(half.join("initdb")).unwrap();
        assert_eq!(Binaries::at(&half, None), None);
    }
}
