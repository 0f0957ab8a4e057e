//! Goods for the shelves: the demo shop, or any number of products that are made up.

mod demo;
mod generate;

use std::time::Instant;

use bodega_catalog::bulk;
use bodega_runtime::money::Currency;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tracing::info;

use crate::database;

/// Products that are held in memory at once.
const BATCH: usize = 10_000;

/// What to put on the shelves.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Make up this many products, beside those there are; without, put the demo shop's goods on the shelves,
    /// those whose names are not there yet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    products: Option<u32>,
}

/// Puts goods on the shelves; returns what to print.
///
/// # Errors
/// When the database cannot be reached or refuses.
pub(crate) async fn run(args: &Args, owner: &PgConnectOptions, currency: Currency) -> anyhow::Result<String> {
    let db = database::connect(owner).await?;
    let began = Instant::now();
    let said = match args.products {
        Some(count) => {
            make_up(&db, currency, count as usize).await?;
            let seconds = began.elapsed().as_secs_f64();
            format!("Added {count} products in {seconds:.1} s, {:.0} a second.\n", f64::from(count) / seconds)
        }
        None => format!("Added {} products of the demo shop.\n", demo::fill(&db, currency).await?),
    };
    db.close().await;
    Ok(said)
}

/// Opens the demo shop where nothing was ever sold.
///
/// # Errors
/// As [`run`].
pub(crate) async fn demo_if_empty(owner: &PgConnectOptions, currency: Currency) -> anyhow::Result<()> {
    let db = database::connect(owner).await?;
    if demo::is_wanted(&db).await? {
        let added = demo::fill(&db, currency).await?;
        info!("Put {added} products on the shelves");
    }
    db.close().await;
    Ok(())
}

/// Makes up `count` products, whose numbers follow those that are there.
async fn make_up(db: &PgPool, currency: Currency, count: usize) -> anyhow::Result<()> {
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
