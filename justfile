# `just` lists the commands.
default:
    @just --list

# Run everything in one process, with its own Postgres, on http://127.0.0.1:8080
run *arguments:
    cargo run --release -- {{arguments}}

# Run the tests, of all crates or as selected: `just test -p bodega-order checkout`
test *arguments='--workspace':
    cargo test --locked {{arguments}}

# Check formatting, words and lints
lint:
    cargo fmt --all --check
    .ci/words
    cargo clippy --locked --workspace --all-targets -- -D warnings

# Run all checks of a change
ci:
    .ci/run

# Check the Kubernetes manifests, the rules of Prometheus and the Dockerfile
deploy:
    .ci/deploy

# Rewrite .sqlx after a change of a query or a migration
queries:
    .ci/queries

# Rewrite the OpenAPI document after a change of a route or a JSON type
openapi:
    BODEGA_WRITE_OPENAPI=1 cargo test --locked --package bodega-gateway --test it openapi

# Inject faults into a running system: `just chaos --help`
chaos *arguments='shop':
    cargo build --release --workspace
    target/release/bodega-chaos {{arguments}}

# Measure the release build under load: `just bench --help`
bench *arguments:
    cargo run --release --package bodega-bench -- {{arguments}}
