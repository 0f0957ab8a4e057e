//! The environment variables of a command before it is parsed: `.env`, empty variables, and secrets in files.

use std::{
    any::TypeId,
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Arg, Command};
use tracing::warn;

/// Suffix of the variable that names the file of a secret: `DB_PASSWORD_FILE` for `DB_PASSWORD`.
pub(super) const FILE_SUFFIX: &str = "_FILE";

/// The variables of all processes: each accepts those of the others, which may share an environment file with it.
const KNOWN: &str = include_str!("../../../../../deploy/environment.txt");

/// The largest file of a secret, in bytes: a larger one is not a secret, and might have no end.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads `.env`, removes empty variables, and sets the secrets that are in files. A variable that was set before `.env` was
/// read has precedence.
///
/// # Errors
/// One line that names the variable and never shows a secret.
pub(super) fn prepare(command: &Command) -> Result<(), String> {
    let names = variables(command);
    let all: Vec<_> = names.iter().flat_map(|variable| [variable.name.clone(), variable.file()]).collect();
    remove_empty(&all);
    read_dotenv()?;
    remove_empty(&all);
    for Variable { name, .. } in names.iter().filter(|variable| !variable.is_path) {
        if env::var_os(name).is_some_and(|value| value.to_str().is_none()) {
            return Err(format!("{name} is not valid UTF-8"));
        }
    }
    for variable in names.iter().filter(|variable| variable.is_secret) {
        let value = secret(&variable.name, env::var_os(&variable.name), env::var_os(variable.file()))?;
        if let Some(value) = value {
            set(&variable.name, Some(value.as_ref()));
            // The command may parse the arguments of another one.
            set(&variable.file(), None);
        }
    }
    Ok(())
}

/// A variable that sets an argument.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Whether its value is a secret, which a file may contain.
    pub(super) is_secret: bool,
    /// Whether its value is a path, which may have any bytes.
    pub(super) is_path: bool,
}

impl Variable {
    fn file(&self) -> String {
        format!("{}{FILE_SUFFIX}", self.name)
    }
}

/// Returns the variables of a command and its subcommands.
pub(super) fn variables(command: &Command) -> BTreeSet<Variable> {
    let own = command.get_arguments().filter_map(|arg: &Arg| {
        let name = arg.get_env()?.to_string_lossy().into_owned();
        let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        Some(Variable { name, is_secret: arg.is_hide_env_values_set(), is_path })
    });
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// Logs the variables that start with `BODEGA_` and that no process has: they may be misspelt.
pub fn warn_about_unknown_variables() {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown: Vec<_> = names.filter(|name| name.starts_with("BODEGA_") && !is_known(name)).collect();
    if !unknown.is_empty() {
        warn!("unknown variables have no effect: {}", unknown.join(", "));
    }
}

/// Lines of the list are `process: NAME` and `process: NAME secret`.
fn is_known(name: &str) -> bool {
    let mut known = KNOWN.lines().filter_map(|line| line.split_once(": ")?.1.split(' ').next());
    known.any(|known| name == known || name.strip_suffix(FILE_SUFFIX) == Some(known))
}

fn remove_empty(names: &[String]) {
    for name in names {
        if env::var_os(name).is_some_and(|value| value.is_empty()) {
            set(name, None);
        }
    }
}

fn read_dotenv() -> Result<(), String> {
    match dotenvy::dotenv() {
        Err(dotenvy::Error::LineParse(line, _)) => {
            // The line may contain a secret.
            let name = line.split_once('=').map(|(name, _)| name.trim()).filter(|name| is_name(name));
            Err(format!(
                "cannot read .env: the line {} is not NAME=value",
                name.map_or_else(|| "of a variable".to_owned(), |name| format!("of {name}"))
            ))
        }
        Err(error) if !error.not_found() => Err(format!("cannot read .env: {error}")),
        _ => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the secret in the file that `name` with [`FILE_SUFFIX`] names, if that variable is set.
fn secret(name: &str, value: Option<OsString>, file: Option<OsString>) -> Result<Option<String>, String> {
    let Some(file) = file else { return Ok(None) };
    let variable = format!("{name}{FILE_SUFFIX}");
    if value.is_some() {
        return Err(format!("{name} and {variable} are both set: set one of them"));
    }
    let path = Path::new(&file);
    // A relative path may be a secret that was meant for the other variable.
    let shown = if path.is_absolute() { path.display().to_string() } else { "the file it names".to_owned() };
    let text = read(path).map_err(|error| format!("{variable}: cannot read {shown}: {error}"))?;
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(format!("{variable}: {shown} is empty"));
    }
    if text.contains('\0') {
        return Err(format!("{variable}: {shown} is not a text file"));
    }
    Ok(Some(text.to_owned()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_SECRET_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 KiB"));
    }
    Ok(text)
}

/// Sets or removes a variable of this process.
#[expect(unsafe_code, reason = "changing the environment is safe only while there is one thread")]
fn set(name: &str, value: Option<&OsStr>) {
    // SAFETY: the arguments are parsed first in `main`, before any thread is started.
    unsafe {
        match value {
            Some(value) => env::set_var(name, value),
            None => env::remove_var(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(value: Option<&str>, file: &str) -> String {
        secret("DB_PASSWORD", value.map(OsString::from), Some(file.into())).unwrap_err()
    }

    #[test]
    fn names_the_variable_of_an_unusable_file_and_never_its_contents() {
        assert_eq!(
            error(Some("hunter2"), "/run/secrets/password"),
            "DB_PASSWORD and DB_PASSWORD_FILE are both set: set one of them"
        );
        assert_eq!(
            error(None, "/nonexistent/password"),
            "DB_PASSWORD_FILE: cannot read /nonexistent/password: No such file or directory (os error 2)"
        );
        assert_eq!(error(None, "/dev/null"), "DB_PASSWORD_FILE: /dev/null is empty");
        assert_eq!(error(None, "/dev/zero"), "DB_PASSWORD_FILE: cannot read /dev/zero: larger than 64 KiB");
        assert!(error(None, "/").starts_with("DB_PASSWORD_FILE: cannot read /: "));
        let misplaced = error(None, "hunter2");
        assert!(misplaced.starts_with("DB_PASSWORD_FILE: cannot read the file it names: "), "{misplaced}");
    }

    #[test]
    fn knows_the_variables_of_all_processes() {
        for name in ["BODEGA_LISTEN", "BODEGA_ORDER_URL", "BODEGA_SERVICE_TOKEN_FILE", "BODEGA_DEMO"] {
            assert!(is_known(name), "{name}");
        }
        for name in ["BODEGA_LISTENS", "BODEGA_", "bodega_listen"] {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn without_a_file_there_is_nothing_to_read() {
        assert_eq!(secret("DB_PASSWORD", Some("hunter2".into()), None), Ok(None));
        assert_eq!(secret("DB_PASSWORD", None, None), Ok(None));
    }
}
