//! Compiles the protos with protox, which needs no `protoc`.

use std::{env, fs, io, path::PathBuf};

use prost::Message as _;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=bodega");
    let files = [
        "audit/v1/audit",
        "cart/v1/cart",
        "catalog/v1/catalog",
        "identity/v1/identity",
        "mail/v1/mail",
        "order/v1/order",
        "order/v1/settings",
    ]
    .map(|file| format!("bodega/{file}.proto"));
    let descriptors = protox::compile(&files, ["."]).map_err(io::Error::other)?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("bodega.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)
}
