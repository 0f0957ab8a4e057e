//! The list of environment variables, which the check of the Kubernetes manifests reads.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use bodega_embedded_postgres::testing::TempDir;
use regex::Regex;

use crate::harness::{binary::bodega, process};

/// The commands that run in containers.
const COMMANDS: [&[&str]; 8] = [
    &["serve", "identity"],
    &["serve", "catalog"],
    &["serve", "cart"],
    &["serve", "order"],
    &["serve", "gateway"],
    &["migrate"],
    &["verify"],
    &["seed"],
];
const HEADER: &str = "\
# The environment variables of each process and job, and which are secrets: those can also be read from a file, X_FILE.
# BODEGA_WRITE_ENVIRONMENT=1 cargo test -p bodega --test store environment rewrites this file from the help of the commands.
";

/// The variables of a command, and whether they are secrets, from its help. It shows the value of each but secrets.
async fn variables(data_dir: &Path, command: &[&str]) -> BTreeMap<String, bool> {
    let output = process::run(bodega(data_dir, command).arg("--help")).await;
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let pattern = Regex::new(r"\[env: ([A-Z0-9_]+)(=?)").unwrap();
    pattern.captures_iter(&help).map(|found| (found[1].to_owned(), found[2].is_empty())).collect()
}

#[tokio::test]
async fn the_list_of_environment_variables_is_complete() {
    let data_dir = TempDir::new("environment").unwrap();
    let mut list = HEADER.to_owned();
    for command in COMMANDS {
        let mut variables = variables(data_dir.path(), command).await;
        // Options of the program itself, such as those of the first admin.
        if command[0] != "serve" {
            variables.extend(self::variables(data_dir.path(), &[]).await);
        }
        assert!(variables.len() > 5, "{variables:?}");
        for (variable, is_secret) in variables {
            let kind = if is_secret { " secret" } else { "" };
            writeln!(list, "{}: {variable}{kind}", command.join(" ")).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../environment.txt");
    if env::var_os("BODEGA_WRITE_ENVIRONMENT").is_some() {
        fs::write(&path, &list).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    let missing: Vec<_> = list.lines().filter(|line| !written.lines().any(|other| other == *line)).collect();
    let outdated: Vec<_> = written.lines().filter(|line| !list.lines().any(|other| other == *line)).collect();
    assert!(
        missing.is_empty() && outdated.is_empty(),
        "deploy/environment.txt lacks {missing:?} and should not have {outdated:?}: run this test with \
         BODEGA_WRITE_ENVIRONMENT=1"
    );
}
