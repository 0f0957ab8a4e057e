//! Rebuilds the crate, which embeds the migrations, when they change.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
