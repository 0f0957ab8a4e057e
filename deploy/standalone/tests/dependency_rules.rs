//! Dependencies between the workspace's crates.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

const SERVICES: [&str; 4] = ["bodega-identity", "bodega-catalog", "bodega-cart", "bodega-order"];

/// The allowed dependencies of each crate.
fn allowed(crate_name: &str) -> Vec<&str> {
    match crate_name {
        "bodega-proto" | "bodega-pricing" | "bodega-embedded-postgres" | "bodega-stripe-double" => vec![],
        "bodega-runtime" => vec!["bodega-proto"],
        "bodega-media" | "bodega-events" => vec!["bodega-runtime"],
        "bodega-audit" => vec!["bodega-proto", "bodega-runtime"],
        "bodega-mail" => vec!["bodega-proto", "bodega-runtime"],
        // They test a store from outside, through its processes and connections.
        "bodega-bench" | "bodega-chaos" => vec!["bodega-embedded-postgres", "bodega-stripe-double"],
        "bodega" => {
            let mut all = vec![
                "bodega-proto",
                "bodega-runtime",
                "bodega-gateway",
                "bodega-mail",
                "bodega-media",
                "bodega-events",
                "bodega-audit",
                "bodega-pricing",
                "bodega-embedded-postgres",
            ];
            all.extend(SERVICES);
            all
        }
        "bodega-identity" => {
            vec!["bodega-proto", "bodega-runtime", "bodega-mail", "bodega-media", "bodega-audit"]
        }
        "bodega-catalog" => {
            vec!["bodega-proto", "bodega-runtime", "bodega-media", "bodega-events", "bodega-audit"]
        }
        "bodega-order" => {
            vec![
                "bodega-proto",
                "bodega-runtime",
                "bodega-pricing",
                "bodega-events",
                "bodega-mail",
                "bodega-audit",
            ]
        }
        service if service == "bodega-gateway" || SERVICES.contains(&service) => {
            vec!["bodega-proto", "bodega-runtime"]
        }
        unknown => panic!("{unknown} is not in this table: add it"),
    }
}

/// Additional dependencies that tests may have: an embedded Postgres, and for payments the Stripe double.
fn allowed_in_tests(crate_name: &str) -> Vec<&str> {
    let mut crates = allowed(crate_name);
    if crate_name != "bodega-proto" {
        crates.push("bodega-embedded-postgres");
    }
    if ["bodega", "bodega-order"].contains(&crate_name) {
        crates.push("bodega-stripe-double");
    }
    crates
}

/// The workspace's crates and their dependencies on each other: `(crate, whether it is a dev- or build-dependency)`.
fn imports() -> BTreeMap<String, Vec<(String, bool)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let imports_of = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let workspace_crates = dependencies.filter(|dependency| dependency["path"].is_string());
        workspace_crates
            .map(|import| (import["name"].as_str().unwrap().to_owned(), !import["kind"].is_null()))
            .collect()
    };
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), imports_of(package)))
        .collect()
}

#[test]
fn crates_depend_only_on_allowed_crates() {
    let imports = imports();
    assert!(imports.len() >= 9, "{imports:?}");
    for (name, imports) in &imports {
        for (import, only_in_tests) in imports {
            let allowed = if *only_in_tests { allowed_in_tests(name) } else { allowed(name) };
            assert!(allowed.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn services_do_not_depend_on_each_other() {
    for (name, imports) in imports() {
        for (import, _) in imports {
            let both = SERVICES.contains(&name.as_str()) && SERVICES.contains(&import.as_str());
            assert!(!both, "{name} must not import {import}");
        }
    }
}

#[test]
fn no_crate_depends_on_the_standalone_binary() {
    for (name, imports) in imports() {
        for outermost in ["bodega", "bodega-bench", "bodega-chaos"] {
            assert!(imports.iter().all(|(import, _)| import != outermost), "{name} imports {outermost}");
        }
    }
}
