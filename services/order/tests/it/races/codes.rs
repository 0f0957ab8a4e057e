//! Codes with a limit are used exactly as often as it allows.

use std::time::Duration;

use bodega_proto::order::v1::{Discount, DiscountClass, Order};
use futures_util::future::join_all;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::{Race, place_after, seeds};
use crate::{
    rules::{discount, form},
    test_app::{MUG, MUG_PRICE, error_reason, violations},
};

/// A deadlock ends after a second, and fails a statement. Calls that wait for locks take no longer than this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the placed orders, and the codes of the others, which must have been rejected because the codes were used up.
fn split(results: Vec<Result<Order, Status>>) -> (Vec<Order>, Vec<String>) {
    let (placed, rejected): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let codes = rejected.into_iter().map(Result::unwrap_err).flat_map(|status| {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert_eq!(bodega_runtime::status::reason(&status), "discount_rejected", "{status:?}");
        let violations = violations(&status);
        assert!(!violations.is_empty(), "{status:?}");
        violations.into_iter().map(|(field, message)| {
            assert_eq!(field, "discount_codes");
            message.strip_suffix(": exhausted").expect("an exhausted code").to_owned()
        })
    });
    (placed.into_iter().map(Result::unwrap).collect(), codes.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_customers_50_use_a_code_with_limit_50() {
    for seed in seeds() {
        let race = Race::start(seed).await;
        let code = race.app.limited("FIFTY", 50).await;
        let users: Vec<_> = (0..200).map(|_| race.app.user_with_cart(&[(MUG, 1)])).collect();
        let calls: Vec<_> = users
            .iter()
            .map(|user| {
                let expected = (race.random(0..2) == 0).then_some(MUG_PRICE * 9 / 10);
                place_after(race.pause(), race.client(*user), expected, form(None, &["fifty"]))
            })
            .collect();
        let results = timeout(TIMEOUT, join_all(calls)).await.expect("no call waits for long");
        let has_lost: Vec<_> = results.iter().map(Result::is_err).collect();
        let (placed, rejected) = split(results);
        assert_eq!((placed.len(), rejected.len()), (50, 150), "seed {seed}");
        for order in &placed {
            let discount = &order.breakdown.as_ref().unwrap().discounts[0];
            assert_eq!((order.total_minor, discount.amount_minor), (MUG_PRICE * 9 / 10, MUG_PRICE / 10));
        }
        assert_eq!(race.app.used(code.id).await, 50);
        race.app.assert_consistent().await;
        assert_eq!(race.app.catalog.available(MUG), 1000 - 50, "the stock of the others is back");

        // Without the code, the others pay the full price.
        let others = users.iter().zip(has_lost).filter(|(_, has_lost)| *has_lost);
        let orders = others.map(|(user, _)| race.app.place(*user, ""));
        for order in join_all(orders).await {
            assert_eq!(order.unwrap().total_minor, MUG_PRICE);
        }
        race.finish().await;
    }
}

/// While customers compete for the last use and cancel, an admin changes limit and value of the code.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_and_a_change_of_the_limit_are_exact() {
    for seed in seeds() {
        let race = Race::start(seed).await;
        let code = race.app.limited("LAST", 1).await;
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let user = race.app.user_with_cart(&[(MUG, 1)]);
                let cancels = race.random(0..4) == 0;
                let call = place_after(race.pause(), race.client(user), None, form(None, &["LAST"]));
                let app = &race.app;
                async move {
                    let order = call.await?;
                    if cancels {
                        app.cancel(user, &order.id).await?;
                    }
                    Ok(order)
                }
            })
            .collect();
        let limits: Vec<_> = (0..6).map(|_| (race.pause(), race.random(1..9))).collect();
        let app = &race.app;
        let edits = async {
            for (index, (pause, limit)) in limits.into_iter().enumerate() {
                tokio::time::sleep(pause).await;
                let rate_ppm = Some(if index % 2 == 0 { 100_000 } else { 200_000 });
                let changed = Discount { usage_limit: Some(limit), rate_ppm, ..discount("LAST") };
                match app.replace_discount(code.id, changed).await {
                    Ok(changed) => assert!(changed.used <= limit, "{changed:?}"),
                    Err(status) => assert_eq!(error_reason::<()>(Err(status)), "invalid_field"),
                }
            }
        };
        let (results, ()) = timeout(TIMEOUT, async { tokio::join!(join_all(calls), edits) }).await.unwrap();
        let (placed, _) = split(results);
        let (ten, twenty) = (MUG_PRICE * 9 / 10, MUG_PRICE * 8 / 10);
        assert!(placed.iter().all(|order| [ten, twenty].contains(&order.total_minor)), "{placed:?}");

        // What is left can be used, and no more.
        let used = race.app.used(code.id).await;
        let limit = sqlx::query_scalar("select usage_limit from orders.discounts where id = $1");
        let limit: i64 = limit.bind(code.id).fetch_one(&race.app.db).await.unwrap();
        assert!(used <= limit, "{used} of {limit}");
        for use_number in used..=limit {
            let user = race.app.user_with_cart(&[(MUG, 1)]);
            let placed = race.app.place_form(user, "", form(None, &["LAST"])).await;
            assert_eq!(placed.is_ok(), use_number < limit, "{use_number} of {limit}: {placed:?}");
        }
        race.finish().await;
    }
}

/// Customers name two codes in different order: both are used to their limits, and nothing deadlocks.
#[tokio::test(flavor = "multi_thread")]
async fn two_limited_codes_crosswise_are_exact() {
    for seed in seeds() {
        let race = Race::start(seed).await;
        // Of different classes, so that an order can use both.
        let line = Discount { class: DiscountClass::Line.into(), ..discount("ONE") };
        let one = Discount { usage_limit: Some(30), ..line };
        let one = race.app.create_discount(one).await.unwrap();
        let two = race.app.limited("TWO", 20).await;
        let codes: [&[&str]; 4] = [&["ONE", "TWO"], &["TWO", "ONE"], &["ONE"], &["TWO"]];
        let calls: Vec<_> = (0..120)
            .map(|index| {
                let user = race.app.user_with_cart(&[(MUG, 1)]);
                place_after(race.pause(), race.client(user), None, form(None, codes[index % 4]))
            })
            .collect();
        let (placed, _) = split(timeout(TIMEOUT, join_all(calls)).await.expect("no deadlock"));
        let uses = |code: &str| {
            let has_code = |order: &&Order| {
                let discounts = &order.breakdown.as_ref().unwrap().discounts;
                discounts.iter().any(|discount| discount.code == code)
            };
            placed.iter().filter(has_code).count()
        };
        assert_eq!((uses("ONE"), uses("TWO")), (30, 20), "seed {seed}");
        assert_eq!((race.app.used(one.id).await, race.app.used(two.id).await), (30, 20));
        let both = MUG_PRICE * 81 / 100;
        assert!(placed.iter().all(|order| [both, MUG_PRICE * 9 / 10].contains(&order.total_minor)));
        race.finish().await;
    }
}
