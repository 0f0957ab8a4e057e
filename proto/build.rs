//! Compiles the protos with protox, which needs no `protoc`.

use std::{env, fs, io, path::PathBuf};

use prost::Message as _;

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=bodega");
    let files = ["audit", "cart", "catalog", "identity", "mail", "order"]
        .map(|service| format!("bodega/{service}/v1/{service}.proto"));
    let descriptors = protox::compile(&files, ["."]).map_err(io::Error::other)?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("bodega.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)
}
