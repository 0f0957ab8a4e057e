use bodega_runtime::database::Pool;
use sqlx::PgConnection;

use crate::pricing_rules::settings::StoreSettings;

pub(crate) async fn find(db: &Pool) -> sqlx::Result<StoreSettings> {
    sqlx::query_as!(
        StoreSettings,
        "select require_shipping, country, prices_include_tax from orders.settings where is_single"
    )
    .fetch_one(db)
    .await
}

/// Begins a change of a rule: until the transaction ends, no other change begins. Returns the current settings.
pub(crate) async fn begin_change(db: &mut PgConnection) -> sqlx::Result<StoreSettings> {
    sqlx::query_as!(
        StoreSettings,
        "update orders.settings set revision = revision + 1 where is_single
         returning require_shipping, country, prices_include_tax"
    )
    .fetch_one(db)
    .await
}

pub(crate) async fn update(db: &mut PgConnection, settings: &StoreSettings) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.settings set require_shipping = $1, country = $2, prices_include_tax = $3
         where is_single",
        settings.require_shipping,
        settings.country,
        settings.prices_include_tax,
    )
    .execute(db)
    .await?;
    Ok(())
}
