//! Flows under continuous load.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::Settings;
use crate::{
    outcome::{LoadResult, Outcome},
    target::{Target, User},
    wrk::{self, Load},
};

const USERS: usize = 64;
/// Products in the carts of [`add`].
const CART_PRODUCTS: usize = 10;
/// Flows of each connection, after which it repeats them.
const FLOWS: usize = 100;
/// Connections of the checkouts that run beside another load, and their rate per second.
const BACKGROUND: (usize, f64) = (32, 300.0);
const MAX_PAGES: usize = 1000;
/// Registered users who sign in. Password hashes occupy all processors, so more connections only wait longer.
const LOGIN_USERS: usize = 8;

/// The same choices in every run.
pub(super) fn random() -> StdRng {
    StdRng::seed_from_u64(10)
}

pub(super) async fn list(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let load = list_load(target).await?;
    measure(target, "list 20", &load, settings).await
}

async fn list_load(target: &Target) -> anyhow::Result<Load> {
    let mut pages = target.api.pages(MAX_PAGES).await?;
    pages.shuffle(&mut random());
    Ok(Load::Requests(pages.iter().map(|path| target.api.get(path)).collect()))
}

pub(super) async fn get(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let mut ids = target.products().to_vec();
    ids.shuffle(&mut random());
    let load = Load::Requests(ids.iter().map(|&id| target.api.get_product(id)).collect());
    measure(target, "product by id", &load, settings).await
}

pub(super) async fn add(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let load = flows(target, settings.connections, None, 1, |target, user, random| {
        let product = target.products()[random.random_range(0..CART_PRODUCTS)];
        vec![target.api.add_to_cart(user, product, 1)]
    });
    let load = load.await?;
    measure(target, "add to cart", &load, settings).await
}

pub(super) async fn checkout(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let load = checkouts(target, settings.connections, None).await?;
    measure(target, "checkout (2 adds + order)", &load, settings).await
}

async fn checkouts(target: &mut Target, connections: usize, rate: Option<f64>) -> anyhow::Result<Load> {
    flows(target, connections, rate, 3, |target, user, random| {
        let mut add = || {
            let product = target.products()[random.random_range(0..target.products().len())];
            target.api.add_to_cart(user, product, 1)
        };
        vec![add(), add(), target.api.place_order(user)]
    })
    .await
}

pub(super) async fn hot(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let load = flows(target, settings.connections, None, 2, |target, user, _| {
        vec![target.api.add_to_cart(user, target.products()[0], 1), target.api.place_order(user)]
    });
    let load = load.await?;
    let mut outcomes = measure(target, "one hot product (add + order)", &load, settings).await?;
    let load = flows(target, settings.connections, None, 2, |target, user, random| {
        let product = target.products()[random.random_range(0..target.products().len())];
        vec![target.api.add_to_cart(user, product, 1), target.api.place_order(user)]
    });
    let load = load.await?;
    outcomes.extend(measure(target, "any product (add + order)", &load, settings).await?);
    Ok(outcomes)
}

pub(super) async fn mixed(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let (connections, rate) = BACKGROUND;
    let list = list_load(target).await?;
    let checkouts = checkouts(target, connections, Some(rate)).await?;
    let address = target.api.address.clone();
    let run_beside = |duration: Duration| wrk::run(&address, &checkouts, connections, duration);
    let (measured, beside) = tokio::join!(
        measure(target, "list 20 during checkouts", &list, settings),
        run_beside(settings.with_margin()),
    );
    let (mut outcomes, beside) = (measured?, beside?);
    // Their CPU time is included in that of the lists.
    outcomes.iter_mut().for_each(Outcome::remove_costs);
    outcomes.push(LoadResult::of("checkouts during list 20", connections, beside).into());
    Ok(outcomes)
}

pub(super) async fn login(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let users = target.users(LOGIN_USERS).await?;
    let connections = settings.connections.min(users.len());
    let requests: Vec<Vec<_>> = split(&users, connections)
        .map(|users| users.iter().map(|user| target.api.login(user)).collect())
        .collect();
    let load = Load::Flows { connections: requests, steps: 1, rate: None };
    measure(target, "login", &load, Settings { connections, ..settings }).await
}

/// Prepares flows of users with empty carts; no user has two connections.
async fn flows(
    target: &mut Target,
    connections: usize,
    rate: Option<f64>,
    steps: usize,
    flow: impl Fn(&Target, &User, &mut StdRng) -> Vec<String>,
) -> anyhow::Result<Load> {
    let users = target.users(USERS.max(connections)).await?;
    let mut random = random();
    let connections = split(&users, connections)
        .map(|users| {
            users.iter().cycle().take(FLOWS).flat_map(|user| flow(target, user, &mut random)).collect()
        })
        .collect();
    Ok(Load::Flows { connections, steps, rate })
}

/// Splits users into as many parts as there are connections.
fn split(users: &[User], connections: usize) -> impl Iterator<Item = Vec<&User>> {
    (0..connections).map(move |index| users.iter().skip(index).step_by(connections).collect())
}

/// Applies a load, first without measuring.
pub(super) async fn measure(
    target: &Target,
    name: &str,
    load: &Load,
    settings: Settings,
) -> anyhow::Result<Vec<Outcome>> {
    let Settings { connections, warm_up, duration } = settings;
    let address = &target.api.address;
    if !warm_up.is_zero() {
        wrk::run(address, load, connections, warm_up).await?;
    }
    let statements = target.statements().await?;
    let cpu = target.cpu_time()?;
    let observed = wrk::run(address, load, connections, duration).await?;
    let cpu = target.cpu_time()?.zip(cpu).map(|(after, before)| after - before);
    let statements = target.statements().await? - statements;
    let mut result = LoadResult::of(name, connections, observed);
    result.add_costs(cpu, statements);
    Ok(vec![result.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_has_two_connections() {
        let users: Vec<_> =
            (0..64).map(|number| User { email: number.to_string(), token: String::new() }).collect();
        let parts: Vec<_> = split(&users, 32).collect();
        assert!(parts.iter().all(|part| part.len() == 2));
        let mut emails: Vec<_> = parts.concat().iter().map(|user| user.email.clone()).collect();
        emails.sort_unstable();
        emails.dedup();
        assert_eq!(emails.len(), 64);
    }
}
