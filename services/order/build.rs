//! New migrations are embedded only where the crate is built again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
