use bodega_pricing::{DiscountClass, DiscountValue, Rate, ShippingBand, ShippingBasis, ShippingRate};
use bodega_runtime::database::Pool;
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{CodeRejection, Inputs, OfferedDiscount, Place, RejectedCode, ShippingMethod, TaxRate};
use crate::pricing_rules::{
    discount::Class,
    zone::{Basis, Kind, Method},
};

#[derive(Debug, Deserialize)]
struct TaxRow {
    tax_class: String,
    name: String,
    rate_ppm: i32,
}

#[derive(Debug, Deserialize)]
struct DiscountRow {
    id: i64,
    code: Option<String>,
    title: String,
    class: Class,
    rate_ppm: Option<i32>,
    amount_minor: Option<i64>,
    min_subtotal_minor: i64,
    product_ids: Vec<i32>,
    category_ids: Vec<i32>,
    /// Why the customer cannot use it now.
    rejection: Option<CodeRejection>,
}

/// Reads the inputs for a place (the store's own country if it is `None`), discount codes in upper case, and a user (`None` for a
/// guest).
pub(crate) async fn load(
    db: &Pool,
    place: Option<&Place>,
    codes: &[String],
    user_id: Option<Uuid>,
) -> sqlx::Result<Inputs> {
    let (country, region) =
        place.map(|place| (place.country.as_str(), place.region.trim().to_uppercase())).unzip();
    let row = sqlx::query!(
        r#"select s.require_shipping, s.prices_include_tax,
                  (
                      select coalesce(json_agg(rate order by rate.tax_class), '[]')
                      from (
                          -- That of the region, or else that of the country.
                          select distinct on (r.tax_class) r.tax_class, r.name, r.rate_ppm
                          from orders.tax_rates r
                          where r.country = place.country and r.region in ('', place.region)
                          order by r.tax_class, r.region desc
                      ) as rate
                  ) as "tax_rates!: Json<Vec<TaxRow>>",
                  (
                      select coalesce(json_agg(json_build_object(
                                 'id', m.id, 'title', m.title, 'kind', m.kind, 'basis', m.basis,
                                 'rates', (
                                     select coalesce(json_agg(r order by r.at_least), '[]')
                                     from orders.shipping_rates r where r.method_id = m.id
                                 )
                             ) order by m.position), '[]')
                      from orders.shipping_methods m
                      where m.zone_id = (
                          select p.zone_id from orders.shipping_zone_places p
                          where p.country = place.country and p.region in ('', place.region)
                          order by p.region desc
                          limit 1
                      )
                  ) as "methods!: Json<Vec<Method>>",
                  (
                      select coalesce(json_agg(json_build_object(
                                 'id', d.id, 'code', d.code, 'title', d.title, 'class', d.class,
                                 'rate_ppm', d.rate_ppm,
                                 'amount_minor', d.amount_minor, 'min_subtotal_minor', d.min_subtotal_minor,
                                 'product_ids', d.product_ids, 'category_ids', d.category_ids,
                                 'rejection', case
                                     when d.starts_at > now() then 'not_yet'
                                     when d.ends_at <= now() then 'ended'
                                     when d.once_per_customer and $4::uuid is null then 'sign_in_required'
                                     when d.once_per_customer and exists (
                                         select from orders.orders o
                                         join orders.order_discounts u on u.order_id = o.id
                                         where o.user_id = $4 and o.placed_at is not null and u.discount_id = d.id
                                           and u.released_at is null
                                     ) then 'already_used'
                                     when d.used >= d.usage_limit then 'exhausted'
                                 end
                             ) order by d.id), '[]')
                      from orders.discounts d
                      where d.archived_at is null and d.active and (d.code is null or d.code = any($3))
                  ) as "discounts!: Json<Vec<DiscountRow>>"
           from orders.settings s
           cross join lateral (
               select coalesce($1::text, s.country) as country, coalesce($2::text, '') as region
           ) as place
           where s.is_single"#,
        country,
        region,
        codes,
        user_id,
    )
    .fetch_one(db)
    .await?;
    let (tax_rates, methods, discounts) = (row.tax_rates.0, row.methods.0, row.discounts.0);
    Ok(Inputs {
        require_shipping: row.require_shipping,
        prices_include_tax: row.prices_include_tax,
        methods: methods.into_iter().map(Into::into).collect(),
        tax_rates: tax_rates.into_iter().map(Into::into).collect(),
        rejected_codes: codes.iter().filter_map(|code| rejection(code, &discounts)).collect(),
        discounts: discounts.into_iter().filter(|row| row.rejection.is_none()).map(Into::into).collect(),
    })
}

fn rejection(code: &str, discounts: &[DiscountRow]) -> Option<RejectedCode> {
    let reason = match discounts.iter().find(|row| row.code.as_deref() == Some(code)) {
        Some(row) => row.rejection?,
        None => CodeRejection::Unknown,
    };
    Some(RejectedCode { code: code.to_owned(), reason })
}

/// A stored rate is valid.
fn rate(ppm: i32) -> Rate {
    Rate::from_ppm(ppm).unwrap_or_default()
}

impl From<TaxRow> for TaxRate {
    fn from(row: TaxRow) -> Self {
        Self { tax_class: row.tax_class, name: row.name, rate: rate(row.rate_ppm) }
    }
}

impl From<Method> for ShippingMethod {
    fn from(method: Method) -> Self {
        let bands = method
            .rates
            .iter()
            .map(|rate| ShippingBand { at_least: rate.at_least, price_minor: rate.price_minor });
        let basis = match method.basis {
            Basis::Flat => ShippingBasis::Flat,
            Basis::Subtotal => ShippingBasis::Subtotal,
            Basis::Weight => ShippingBasis::Weight,
        };
        Self {
            id: method.id,
            title: method.title,
            is_pickup: method.kind == Kind::Pickup,
            rate: ShippingRate { basis, bands: bands.collect() },
        }
    }
}

impl From<DiscountRow> for OfferedDiscount {
    fn from(row: DiscountRow) -> Self {
        let class = match row.class {
            Class::Line => DiscountClass::Line,
            Class::Order => DiscountClass::Order,
            Class::Shipping => DiscountClass::Shipping,
        };
        // Exactly one of them is set.
        let value = match row.amount_minor {
            Some(amount) => DiscountValue::Amount(amount),
            None => DiscountValue::Rate(rate(row.rate_ppm.unwrap_or_default())),
        };
        Self {
            id: row.id,
            code: row.code,
            title: row.title,
            class,
            value,
            min_subtotal_minor: row.min_subtotal_minor,
            products: row.product_ids,
            categories: row.category_ids,
        }
    }
}
