//! Rules that change between a quote and its order.

use std::time::Duration;

use bodega_proto::order::v1::ShippingBasis;
use futures_util::future::join_all;

use super::{Race, place_after, seeds};
use crate::{
    rules::form,
    test_app::{MUG, violations},
};

/// An order costs what its quote has said, or it is rejected and the rejection names the part of the total.
#[tokio::test(flavor = "multi_thread")]
async fn a_tax_that_changes_between_quote_and_order_is_named() {
    let mut changed = 0;
    for seed in seeds() {
        let race = Race::start(seed).await;
        race.app.set_taxes(&[("standard", 190_000)]).await;
        let method = race.app.create_shipping_method(ShippingBasis::Flat, &[(0, 490)]).await;
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let user = race.app.user_with_cart(&[(MUG, i32::try_from(race.random(1..4)).unwrap())]);
                let (first, second) = (race.pause(), race.pause());
                let (app, client) = (&race.app, race.client(user));
                async move {
                    tokio::time::sleep(first).await;
                    let form = form(Some(method), &[]);
                    let quoted = app.quote(user, form.clone()).await.unwrap();
                    (quoted.clone(), place_after(second, client, Some(quoted.total_minor), form).await)
                }
            })
            .collect();
        let app = &race.app;
        let edits = async {
            for rate_ppm in [200_000, 190_000, 88_750, 0, 200_000] {
                tokio::time::sleep(Duration::from_millis(10)).await;
                app.set_taxes(&[("standard", rate_ppm)]).await;
            }
        };
        let (results, ()) = tokio::join!(join_all(calls), edits);
        for (quoted, result) in results {
            let status = match result {
                Ok(order) => {
                    assert_eq!((order.total_minor, order.breakdown), (quoted.total_minor, quoted.breakdown));
                    continue;
                }
                Err(status) => status,
            };
            changed += 1;
            assert_eq!(bodega_runtime::status::reason(&status), "price_changed");
            let was = quoted.breakdown.unwrap();
            let amount = |minor: i64| format!("is {}.{:02} USD", minor / 100, minor % 100);
            let differing: Vec<_> = violations(&status)
                .into_iter()
                .filter(|(field, message)| {
                    let quoted = match field.as_str() {
                        "discount_total" => was.discount_total_minor,
                        "shipping_total" => was.shipping_total_minor,
                        _ => was.tax_total_minor,
                    };
                    !message.starts_with(&amount(quoted))
                })
                .map(|(field, _)| field)
                .collect();
            assert_eq!(differing, ["tax_total"], "seed {seed}: {status:?}");
        }
        race.finish().await;
    }
    assert!(changed > 0, "no tax has changed between a quote and its order");
}
