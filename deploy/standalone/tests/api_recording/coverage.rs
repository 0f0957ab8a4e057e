//! The recording is complete: it has every operation of the OpenAPI document with every documented status.

use std::{collections::BTreeSet, fs, path::Path};

use super::recorder::template;
use crate::harness::store::TestStore;

/// Statuses of overload and outages, which have tests of their own.
const NOT_RECORDED: [&str; 3] = ["408", "429", "503"];

/// The method, the matching path of the document, and the status of each recorded request.
fn recorded(paths: &[String]) -> BTreeSet<(String, String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_recording/snapshots");
    let mut recorded = BTreeSet::new();
    for file in fs::read_dir(directory).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for request in text.split("\n### ").skip(1) {
            let mut lines = request.lines();
            let (_, target) = lines.next().unwrap().split_once(": ").unwrap();
            let (method, path) = target.split_once(' ').unwrap();
            let path = path.split('?').next().unwrap();
            let is_status = |line: &&str| line.len() == 3 && line.bytes().all(|byte| byte.is_ascii_digit());
            let status = lines.find(is_status).unwrap_or_else(|| panic!("{request}"));
            let same = paths.iter().find(|template| *template == path);
            let path = same.or_else(|| paths.iter().find(|template| matches(template, path)));
            if let Some(path) = path {
                recorded.insert((method.to_lowercase(), path.clone(), status.to_owned()));
            }
        }
    }
    recorded
}

/// Whether a path matches this template.
fn matches(path_template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template(path_template).split('/').map(str::to_owned).collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(expected, found)| expected == "{}" || expected == found)
}

#[tokio::test]
async fn records_every_documented_response_of_every_operation() {
    let store = TestStore::start().await;
    let document = store.guest().get("/openapi.json").await.expect(200).json;
    let paths = document["paths"].as_object().unwrap();
    let recorded = recorded(&paths.keys().cloned().collect::<Vec<_>>());
    let mut missing = Vec::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                let is_recorded = recorded.contains(&(method.clone(), path.clone(), status.clone()));
                if !is_recorded && !NOT_RECORDED.contains(&&**status) {
                    missing.push(format!("{method} {path} {status}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "not recorded: {missing:#?}");
}
