//! Demo products, and any number of generated products.

mod demo;
mod generate;

use std::time::Instant;

use bodega_catalog::bulk;
use bodega_runtime::{database::Pool, money::Currency};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::postgres::PgConnectOptions;
use tracing::info;

use crate::database;

/// Products in memory at once.
const BATCH: usize = 10_000;

/// Options of `bodega seed`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Generate this many products, in addition to the existing ones [default: add the missing demo products]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    products: Option<u32>,
}

/// Adds products; returns the output.
///
/// # Errors
/// When the database cannot be reached or fails.
pub(crate) async fn run(args: &Args, owner: &PgConnectOptions, currency: Currency) -> anyhow::Result<String> {
    let db = database::connect(owner).await?;
    let started = Instant::now();
    let output = match args.products {
        Some(count) => {
            generate_products(&db, currency, count as usize).await?;
            let seconds = started.elapsed().as_secs_f64();
            format!(
                "Added {count} products in {seconds:.1} s, {:.0} per second.\n",
                f64::from(count) / seconds
            )
        }
        None => format!("Added {} demo products.\n", demo::add_missing(&db, currency).await?),
    };
    bulk::analyze(&db).await?;
    db.close().await;
    Ok(output)
}

/// Adds the demo products to a catalog that never had a product.
///
/// # Errors
/// As [`run`].
pub(crate) async fn demo_if_empty(owner: &PgConnectOptions, currency: Currency) -> anyhow::Result<()> {
    let db = database::connect(owner).await?;
    if demo::is_catalog_empty(&db).await? {
        let added = demo::add_missing(&db, currency).await?;
        info!("added {added} demo products");
    }
    db.close().await;
    Ok(())
}

/// Generates `count` products, numbered after the existing ones.
async fn generate_products(db: &Pool, currency: Currency, count: usize) -> anyhow::Result<()> {
    let first: i64 = sqlx::query_scalar("select count(*) from catalog.products").fetch_one(db).await?;
    let first = usize::try_from(first)?;
    let categories = bulk::categories(db, &generate::categories()).await?;
    let bar = ProgressBar::new(count as u64).with_style(ProgressStyle::with_template(
        "{bar:40} {human_pos} of {human_len} products, {per_sec}, {eta} left",
    )?);
    for done in (0..count).step_by(BATCH) {
        let batch: Vec<_> = (done..count.min(done + BATCH))
            .map(|index| generate::product(first + index, &categories))
            .collect();
        bulk::insert_products(db, currency, &batch, |inserted| bar.set_position((done + inserted) as u64))
            .await?;
    }
    bar.finish_and_clear();
    Ok(())
}
