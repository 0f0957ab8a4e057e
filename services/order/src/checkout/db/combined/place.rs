//! The SQL that places orders.

use std::{collections::HashMap, sync::Arc};

use bodega_pricing::Cart;
use bodega_runtime::{database::Pool, timeouts::INLINE_GRACE};
use sqlx::types::Json;

use super::{
    Placement, PricedCheckout,
    sql::{Results, all, lock_timeout},
};
use crate::{
    checkout::pricing::{Price, PricedLines},
    orders::breakdown::{Discount, Tax},
};

pub(super) async fn place(db: Pool, checkouts: Vec<Arc<PricedCheckout>>) -> Results<Option<Placement>> {
    let ids: Vec<_> = checkouts.iter().map(|order| order.checkout.id).collect();
    let orders = || checkouts.iter().map(|order| &order.priced);
    let amounts = |amount: fn(&PricedLines) -> i64| orders().map(amount).collect::<Vec<_>>();
    let currencies: Vec<_> = orders().map(|order| order.currency.clone()).collect();
    let prices_include_tax: Vec<_> = orders().map(|order| order.breakdown.prices_include_tax).collect();
    let shipping_titles: Vec<_> = orders().map(|order| order.breakdown.shipping_title.clone()).collect();
    let taxes: Vec<_> = orders().map(|order| Json(&order.breakdown.taxes)).collect();

    let carts: Vec<_> = orders().map(|order| order.cart.as_ref().map(Json)).collect();
    let require_addresses: Vec<_> = orders().map(|order| order.requires_address).collect();

    let lines = || {
        checkouts.iter().flat_map(|order| {
            let lines = order.checkout.lines.iter().zip(&order.priced.prices);
            lines.map(|(line, price)| (order.checkout.id, line.product_id, price))
        })
    };
    let line_orders: Vec<_> = lines().map(|(id, _, _)| id).collect();
    let product_ids: Vec<_> = lines().map(|(_, product_id, _)| product_id).collect();
    let texts =
        |text: fn(&Price) -> &String| lines().map(|(_, _, price)| text(price).clone()).collect::<Vec<_>>();
    let line_amounts =
        |amount: fn(&Price) -> i64| lines().map(|(_, _, price)| amount(price)).collect::<Vec<_>>();
    let weights: Vec<_> = lines().map(|(_, _, price)| price.weight_grams).collect();
    let are_shipped: Vec<_> = lines().map(|(_, _, price)| price.requires_shipping).collect();
    let variant_of: Vec<_> = lines().map(|(_, _, price)| price.variant_of).collect();
    let skus: Vec<_> = lines().map(|(_, _, price)| price.sku.clone()).collect();
    let variant_names: Vec<_> = lines().map(|(_, _, price)| price.variant_name.clone()).collect();

    let discounts = || {
        checkouts.iter().flat_map(|order| {
            order.priced.breakdown.discounts.iter().map(|discount| (order.checkout.id, discount))
        })
    };
    let discount_orders: Vec<_> = discounts().map(|(id, _)| id).collect();
    let discount_amounts =
        |amount: fn(&Discount) -> i64| discounts().map(|(_, discount)| amount(discount)).collect::<Vec<_>>();
    let codes: Vec<_> = discounts().map(|(_, discount)| discount.code.clone()).collect();
    let titles: Vec<_> = discounts().map(|(_, discount)| discount.title.clone()).collect();
    let classes: Vec<_> = discounts().map(|(_, discount)| discount.class.clone()).collect();

    let placed = sqlx::query!(
        r#"with settings as materialized (
               select set_config('lock_timeout', $1, true) as lock_timeout
           ), locked as materialized (
               select id from orders.orders
               where id = any($2) and stage = 'placing' and (select lock_timeout from settings) is not null
               order by id
               for no key update
           ), placed as (
               update orders.orders o
               set status = 'pending', number = nextval('orders.order_numbers'),
                   total_minor = total.minor, currency = total.currency, subtotal_minor = total.subtotal,
                   discount_minor = total.discount, shipping_minor = total.shipping,
                   shipping_discount_minor = total.shipping_discount, shipping_tax_minor = total.shipping_tax,
                   tax_minor = total.tax, prices_include_tax = total.prices_include_tax,
                   shipping_title = total.shipping_title, taxes = total.taxes,
                   pricing = total.pricing, requires_address = total.requires_address,
                   lease_until = null, recover_at = null, placed_at = now(), updated_at = now()
               from locked
               join unnest($2::uuid[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                           $9::bigint[], $10::bigint[], $11::boolean[], $12::text[], $13::jsonb[], $34::jsonb[],
                           $35::boolean[])
                        as total (order_id, minor, currency, subtotal, discount, shipping, shipping_discount,
                                  shipping_tax, tax, prices_include_tax, shipping_title, taxes, pricing,
                                  requires_address)
                    on total.order_id = locked.id
               where o.id = locked.id
               returning o.id, nullif(o.user_id, o.guest_id) as user_id, o.placed_at, o.traceparent, o.number
           ), items as (
               update orders.order_items i
               set name = line.name, price_minor = line.price, discount_minor = line.discount, tax_minor = line.tax,
                   total_minor = line.total, tax_class = line.tax_class, weight_grams = line.weight,
                   requires_shipping = line.requires_shipping, variant_of = line.variant_of, sku = line.sku,
                   variant_name = line.variant_name
               from placed
               join unnest($14::uuid[], $15::integer[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[],
                           $20::bigint[], $21::text[], $22::integer[], $23::boolean[], $31::integer[], $32::text[],
                           $33::text[])
                        as line (order_id, product_id, name, price, discount, tax, total, tax_class, weight,
                                 requires_shipping, variant_of, sku, variant_name)
                    on line.order_id = placed.id
               where i.order_id = placed.id and i.product_id = line.product_id
           ), discounts as (
               insert into orders.order_discounts (order_id, discount_id, code, title, class, amount_minor)
               select used.*
               from placed
               join unnest($24::uuid[], $25::bigint[], $26::text[], $27::text[], $28::text[], $29::bigint[])
                        as used (order_id, discount_id, code, title, class, amount) on used.order_id = placed.id
               order by used.discount_id, used.order_id
           ), event as (
               insert into orders.order_events (order_id, status, actor, created_at)
               select id, 'pending', user_id, placed_at from placed
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at, traceparent)
               select id, 'clear_cart', now() + make_interval(secs => $30), traceparent from placed
           )
           select id, placed_at as "placed_at!", number as "number!" from placed"#,
        lock_timeout(&checkouts),
        &ids,
        &amounts(|order| order.total_minor),
        &currencies,
        &amounts(|order| order.breakdown.subtotal_minor),
        &amounts(|order| order.breakdown.discount_minor),
        &amounts(|order| order.breakdown.shipping_minor),
        &amounts(|order| order.breakdown.shipping_discount_minor),
        &amounts(|order| order.breakdown.shipping_tax_minor),
        &amounts(|order| order.breakdown.tax_minor),
        &prices_include_tax,
        &shipping_titles as &[Option<String>],
        &taxes as &[Json<&Vec<Tax>>],
        &line_orders,
        &product_ids,
        &texts(|price| &price.name),
        &line_amounts(|price| price.price_minor),
        &line_amounts(|price| price.discount_minor),
        &line_amounts(|price| price.tax_minor),
        &line_amounts(|price| price.total_minor),
        &texts(|price| &price.tax_class),
        &weights,
        &are_shipped,
        &discount_orders,
        &discount_amounts(|discount| discount.discount_id),
        &codes as &[Option<String>],
        &titles,
        &classes,
        &discount_amounts(|discount| discount.amount_minor),
        INLINE_GRACE.as_secs_f64(),
        &variant_of as &[Option<i32>],
        &skus as &[Option<String>],
        &variant_names as &[Option<String>],
        &carts as &[Option<Json<&Cart>>],
        &require_addresses,
    )
    .fetch_all(&db)
    .await?;
    let placed: HashMap<_, _> = placed
        .into_iter()
        .map(|row| (row.id, Placement { number: row.number, placed_at: row.placed_at }))
        .collect();
    Ok(all(ids.iter().map(|id| placed.get(id).copied())))
}
