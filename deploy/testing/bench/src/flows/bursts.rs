//! Many customers who order the same product at the same time.

use std::time::Duration;

use crate::{
    outcome::Outcome,
    target::Target,
    wrk::{self, Load},
};

const STOCK: u32 = 100;

/// Includes the time in which the connections are opened.
const DURATION: Duration = Duration::from_secs(6);

pub(super) async fn race(target: &mut Target) -> anyhow::Result<Vec<Outcome>> {
    run(target, "race: 64 customers x 2 of 100 units", 64, 2).await
}

pub(super) async fn burst(target: &mut Target) -> anyhow::Result<Vec<Outcome>> {
    run(target, "burst: 1,000 customers x 1 of 100 units", 1000, 1).await
}

async fn run(
    target: &mut Target,
    name: &str,
    customers: usize,
    quantity: u32,
) -> anyhow::Result<Vec<Outcome>> {
    let users = target.users(customers).await?;
    let product = target.create_product(STOCK).await?;
    target.api.fill_carts(&users, product, quantity).await?;
    let load = Load::Burst(users.iter().map(|user| target.api.place_order(user)).collect());
    let observed = wrk::run(&target.api.address, &load, customers, DURATION).await?;

    let left = target.stock(product).await?;
    let sold = i64::from(STOCK) - left;
    let orders = observed.status("201");
    let is_exact = i64::try_from(orders)? * i64::from(quantity) == sold && left >= 0;
    let counts: Vec<_> =
        observed.statuses().iter().map(|(status, count)| format!("{count} x {status}")).collect();
    let responses: u64 = observed.statuses().values().sum();
    let missing = customers as u64 - responses;
    let mut text = format!("{}; {sold} of {STOCK} sold", counts.join(", "));
    text.push_str(if is_exact { ", exact" } else { ", NOT what the responses say" });
    if missing > 0 {
        text.push_str(&format!("; {missing} without a response"));
    }
    Ok(vec![
        Outcome::text(name, text),
        Outcome::value(&format!("{name}: slowest response"), observed.slowest_ms(), "ms"),
    ])
}
