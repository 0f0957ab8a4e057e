//! `bodega serve`. A purchase across its processes is in `separate_processes.rs`.

use tokio::process::Command;

use crate::harness::{
    binary::{SECRET, error_of, stdout_of},
    process,
};

fn bodega(arguments: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
    command.args(arguments);
    command
}

#[tokio::test]
async fn help_lists_the_processes_and_their_options() {
    let help = stdout_of(&mut bodega(&["serve", "--help"])).await;
    for name in ["identity", "catalog", "cart", "order", "gateway"] {
        assert!(help.contains(name), "{help}");
        let help = stdout_of(&mut bodega(&["serve", name, "--help"])).await;
        assert!(help.contains("BODEGA_LISTEN") && help.contains(&format!("bodega serve {name}")), "{help}");
        assert_eq!(help.contains("--database-url"), name != "gateway", "{help}");
    }
    let help = stdout_of(&mut bodega(&["--help"])).await;
    assert!(["serve", "health", "keys"].iter().all(|command| help.contains(command)), "{help}");
}

#[tokio::test]
async fn rejects_an_unknown_process() {
    let (code, error) = error_of(&mut bodega(&["serve", "warehouse"])).await;
    assert_eq!(code, 2);
    assert!(
        error.contains("warehouse") && error.contains("identity, catalog, cart, order, gateway"),
        "{error}"
    );
    let (code, error) = error_of(&mut bodega(&["serve"])).await;
    assert_eq!(code, 2);
    assert!(error.contains("PROCESS"), "{error}");
    let (code, error) = error_of(&mut bodega(&["--log=off", "serve"])).await;
    assert_eq!(code, 1);
    assert!(error.contains("must be the first argument"), "{error}");
}

#[tokio::test]
async fn an_invalid_setting_of_a_process_is_a_one_line_error() {
    let (code, error) = error_of(&mut bodega(&["serve", "cart"])).await;
    assert_eq!(code, 2);
    assert!(error.contains("BODEGA_SERVICE_TOKEN") && error.contains("is missing"), "{error}");
    let mut command = bodega(&["serve", "cart", "--listen", "here"]);
    let (code, error) = error_of(command.env("BODEGA_SERVICE_TOKEN", SECRET)).await;
    assert_eq!(code, 2);
    assert!(error.contains("BODEGA_LISTEN"), "{error}");
}
