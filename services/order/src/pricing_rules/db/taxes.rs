use sqlx::{PgConnection, PgExecutor};

use crate::pricing_rules::taxes::TaxRate;

pub(crate) async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<TaxRate>> {
    sqlx::query_as!(
        TaxRate,
        "select country, region, tax_class, name, rate_ppm
         from orders.tax_rates order by country, region, tax_class"
    )
    .fetch_all(db)
    .await
}

pub(crate) async fn replace(db: &mut PgConnection, rates: &[TaxRate]) -> sqlx::Result<()> {
    let column = |value: fn(&TaxRate) -> &String| rates.iter().map(|rate| value(rate).clone()).collect();
    let countries: Vec<String> = column(|rate| &rate.country);
    let regions: Vec<String> = column(|rate| &rate.region);
    let tax_classes: Vec<String> = column(|rate| &rate.tax_class);
    let names: Vec<String> = column(|rate| &rate.name);
    let rates_ppm: Vec<_> = rates.iter().map(|rate| rate.rate_ppm).collect();
    sqlx::query!("delete from orders.tax_rates").execute(&mut *db).await?;
    sqlx::query!(
        "insert into orders.tax_rates (country, region, tax_class, name, rate_ppm)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[])",
        &countries,
        &regions,
        &tax_classes,
        &names,
        &rates_ppm,
    )
    .execute(db)
    .await?;
    Ok(())
}
