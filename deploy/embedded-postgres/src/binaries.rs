//! Finding the programs `postgres` and `initdb`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::fetch;
use crate::home::Home;
use crate::user::ServerUser;

/// The oldest major version that will do.
const OLDEST: u32 = 14;

/// Where installers put Postgres: a parent, the start of a directory's name before the version,
/// and in each such directory `bin`.
const USUAL_PLACES: [(&str, &str); 7] = [
    ("/usr/lib/postgresql", ""), // Debian and Ubuntu
    ("/usr", "pgsql-"),          // postgresql.org's packages for Red Hat
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
    ("/usr/local", "pgsql"), // built from source
];

/// A directory with the programs of one installation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    directory: PathBuf,
    version: u32,
}

impl Binaries {
    /// Finds what can serve this home, or fetches it.
    ///
    /// # Errors
    /// When there is none and none can be had, and when the data was made by another version.
    pub(crate) fn obtain(home: &Home) -> anyhow::Result<Binaries> {
        let wanted = home.version()?;
        let named = env::var_os("PG_BIN_DIR").filter(|value| !value.is_empty());
        if let Some(directory) = named {
            let directory = PathBuf::from(directory);
            return match first(std::slice::from_ref(&directory), wanted, home.user())? {
                Some(found) => Ok(found),
                None => bail!(
                    "PG_BIN_DIR: {} holds no Postgres {OLDEST} or newer that {} can run",
                    directory.display(),
                    if home.user().is_some() { "the server's user" } else { "we" }
                ),
            };
        }
        let search = || {
            let path = env::var_os("PATH").unwrap_or_default();
            first(&places(&path, &fetch::cache()), wanted, home.user())
        };
        if let Some(found) = search()? {
            return Ok(found);
        }
        fetch::install()?;
        search()?.context("Postgres was installed, but cannot be run")
    }

    /// The installation in `directory`; none when it is not one that we can use.
    pub(crate) fn at(directory: &Path, user: Option<ServerUser>) -> Option<Binaries> {
        let postgres = directory.join("postgres");
        // A link in /usr/local/bin leads to the directory that also has the rest.
        let directory = postgres.canonicalize().ok()?.parent()?.to_owned();
        let reachable = user.is_none_or(|user| user.reaches(&directory));
        if !reachable || !directory.join("initdb").exists() {
            return None;
        }
        let output = Command::new(postgres).arg("--version").stderr(Stdio::null()).output().ok()?;
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = leading_number(String::from_utf8(output.stdout).ok()?.split(' ').nth(2)?)?;
        (version >= OLDEST).then_some(Binaries { directory, version })
    }

    pub(crate) fn initdb(&self, user: Option<ServerUser>) -> Command {
        self.command("initdb", user)
    }

    pub(crate) fn postgres(&self, user: Option<ServerUser>) -> Command {
        self.command("postgres", user)
    }

    fn command(&self, program: &str, user: Option<ServerUser>) -> Command {
        let mut command = Command::new(self.directory.join(program));
        // Our environment may hold secrets, and `PG…` variables that change what Postgres does.
        command.env_clear();
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            command.envs(env::var_os(kept).map(|value| (kept, value)));
        }
        // Ctrl-C goes to the whole group of the terminal: Postgres must outlive what uses it.
        command.current_dir("/").process_group(0);
        if let Some(user) = user {
            user.run(&mut command);
        }
        command
    }
}

/// The first that serves, or an error when only other versions than `wanted` are there.
fn first(
    directories: &[PathBuf],
    wanted: Option<u32>,
    user: Option<ServerUser>,
) -> anyhow::Result<Option<Binaries>> {
    let mut others = Vec::new();
    for directory in directories {
        match Binaries::at(directory, user) {
            Some(found) if wanted.is_none_or(|wanted| wanted == found.version) => {
                return Ok(Some(found));
            }
            Some(other) => others.push(other.version),
            None => {}
        }
    }
    if let (Some(wanted), Some(other)) = (wanted, others.first()) {
        bail!(
            "the data was made by Postgres {wanted}, but this machine has {other}: \
             install {wanted}, or name its programs' directory in PG_BIN_DIR"
        );
    }
    Ok(None)
}

/// Every directory to look in, best first.
fn places(path: &OsStr, cache: &Path) -> Vec<PathBuf> {
    let usual = USUAL_PLACES.iter().map(|&(parent, prefix)| (Path::new(parent), prefix));
    let versioned = usual
        .chain([(cache, fetch::DIRECTORY_PREFIX)])
        .flat_map(|(parent, prefix)| newest_first(parent, prefix));
    env::split_paths(path).chain(versioned).collect()
}

/// `<parent>/<prefix><version>/bin` for each version that is there.
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

    /// A directory whose `postgres` says it is of `version`.
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
    fn the_newest_version_comes_first() {
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
    fn a_version_too_old_is_passed_over() {
        let dir = TempDir::new("old").unwrap();
        let old = installation(dir.path(), "old", "13.9");
        let good = installation(dir.path(), "good", "14.0");
        let found = first(&[old, good.clone()], None, None).unwrap().unwrap();
        assert_eq!(found, Binaries { directory: good.canonicalize().unwrap(), version: 14 });
    }

    #[test]
    fn data_is_only_served_by_the_version_that_made_it() {
        let dir = TempDir::new("made").unwrap();
        let newer = installation(dir.path(), "newer", "18devel");
        let same = installation(dir.path(), "same", "16.2");
        let found = first(&[newer.clone(), same], Some(16), None).unwrap().unwrap();
        assert_eq!(found.version, 16);
        let refusal = first(&[newer], Some(16), None).unwrap_err().to_string();
        assert!(refusal.starts_with("the data was made by Postgres 16"), "{refusal}");
    }

    #[test]
    fn a_directory_without_initdb_is_no_installation() {
        let dir = TempDir::new("half").unwrap();
        let half = installation(dir.path(), "half", "16.2");
        fs::remove_file(half.join("initdb")).unwrap();
        assert_eq!(Binaries::at(&half, None), None);
    }
}
