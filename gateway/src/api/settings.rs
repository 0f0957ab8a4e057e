//! `/api/settings` and `/api/settings/tax`.

use axum::extract::State;
use bodega_proto::order::v1::{
    self as pb, GetSettingsRequest, ListTaxRatesRequest, ReplaceTaxRatesRequest, UpdateSettingsRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{AdminOrKey, Json},
    json::{Object, Percentage, PercentageInput, non_empty},
    problem::Problem,
    response::present,
};

/// The settings of the store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"requireShipping": true, "country": "DE", "pricesIncludeTax": true}))]
pub(crate) struct StoreSettings {
    /// Whether an order of items that are shipped needs an address and a shipping method.
    require_shipping: bool,
    /// ISO 3166-1 alpha-2 code of the store's country, whose taxes apply to orders without an address; null for none.
    #[serde(default)]
    #[schema(min_length = 2, max_length = 2)]
    country: Option<String>,
    /// Whether the prices of products and of shipping include taxes.
    prices_include_tax: bool,
}

impl From<pb::StoreSettings> for StoreSettings {
    fn from(settings: pb::StoreSettings) -> Self {
        Self {
            require_shipping: settings.require_shipping,
            country: non_empty(settings.country),
            prices_include_tax: settings.prices_include_tax,
        }
    }
}

/// A tax rate of a country, or of a region of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaxRate {
    /// ISO 3166-1 alpha-2 code of the country.
    country: String,
    /// State, province or county in upper case, whose rate applies instead of that of the country; null for the whole country.
    #[schema(required)]
    region: Option<String>,
    /// Tax class of the products.
    tax_class: String,
    /// Name for customers.
    name: String,
    /// The rate.
    percentage: Percentage,
}

/// The tax rates of all places.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"rates": [
    {"country": "DE", "region": null, "taxClass": "standard", "name": "VAT", "percentage": 19},
    {"country": "DE", "region": null, "taxClass": "reduced", "name": "VAT", "percentage": 7},
    {"country": "US", "region": "NY", "taxClass": "standard", "name": "Sales tax", "percentage": 8.875}
]}))]
pub(crate) struct TaxTable {
    /// Ordered by country, region and tax class. Where there is no rate, there is no tax.
    rates: Vec<TaxRate>,
}

impl From<Vec<pb::TaxRate>> for TaxTable {
    fn from(rates: Vec<pb::TaxRate>) -> Self {
        let rates = rates.into_iter().map(|rate| TaxRate {
            country: rate.country,
            region: non_empty(rate.region),
            tax_class: rate.tax_class,
            name: rate.name,
            percentage: Percentage::new(rate.rate_ppm),
        });
        Self { rates: rates.collect() }
    }
}

/// A tax rate to store.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TaxRateInput {
    /// ISO 3166-1 alpha-2 code of the country.
    #[schema(min_length = 2, max_length = 2)]
    country: String,
    /// State, province or county, in any case, as in addresses; null for the whole country.
    #[serde(default)]
    #[schema(max_length = 100)]
    region: Option<String>,
    /// Tax class of the products.
    #[serde(default = "standard")]
    #[schema(min_length = 1, max_length = 50, default = "standard")]
    tax_class: String,
    /// Name for customers.
    #[schema(min_length = 1, max_length = 50)]
    name: String,
    /// The rate.
    percentage: PercentageInput,
}

/// The tax class of products that have no other one.
fn standard() -> String {
    "standard".to_owned()
}

/// The tax rates of all places.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"rates": [
    {"country": "DE", "name": "VAT", "percentage": 19},
    {"country": "US", "region": "NY", "taxClass": "standard", "name": "Sales tax", "percentage": 8.875}
]}))]
pub(crate) struct TaxTableInput {
    /// The rates, which replace all existing ones. One for a place and a tax class.
    #[schema(value_type = Vec<TaxRateInput>, max_items = 1000)]
    rates: Vec<Object<TaxRateInput>>,
}

/// Returns the settings of the store.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/settings", tag = "Settings", security(("bearer" = ["settings:write"])),
    responses((status = OK, description = "The settings.", body = StoreSettings), (status = FORBIDDEN))
)]
pub(crate) async fn show(State(app): State<App>, _: AdminOrKey) -> Result<Json<StoreSettings>, Problem> {
    let response = app.store_settings().get_settings(GetSettingsRequest {}).await?.into_inner();
    Ok(Json(present(response.settings)?.into()))
}

/// Replaces the settings of the store.
///
/// Requires an admin's access token. The settings apply to quotes and orders from now on.
#[utoipa::path(
    put, path = "/api/settings", tag = "Settings", request_body = StoreSettings,
    security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "The settings after the change.", body = StoreSettings),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: AdminOrKey,
    Json(settings): Json<StoreSettings>,
) -> Result<Json<StoreSettings>, Problem> {
    let settings = pb::StoreSettings {
        require_shipping: settings.require_shipping,
        country: settings.country.unwrap_or_default(),
        prices_include_tax: settings.prices_include_tax,
    };
    let request = UpdateSettingsRequest { settings: Some(settings) };
    let response = app.store_settings().update_settings(request).await?.into_inner();
    Ok(Json(present(response.settings)?.into()))
}

/// Lists the tax rates.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/settings/tax", tag = "Settings", security(("bearer" = ["settings:write"])),
    responses((status = OK, description = "All tax rates.", body = TaxTable), (status = FORBIDDEN))
)]
pub(crate) async fn list_tax_rates(State(app): State<App>, _: AdminOrKey) -> Result<Json<TaxTable>, Problem> {
    let response = app.store_settings().list_tax_rates(ListTaxRatesRequest {}).await?.into_inner();
    Ok(Json(response.rates.into()))
}

/// Replaces the tax rates.
///
/// Requires an admin's access token. The place of an order is its shipping address, or else the country of the store. The rate of
/// a region applies instead of that of its country. Orders that are placed keep their taxes.
#[utoipa::path(
    put, path = "/api/settings/tax", tag = "Settings", request_body = TaxTableInput,
    security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "All tax rates after the change.", body = TaxTable),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn replace_tax_rates(
    State(app): State<App>,
    _: AdminOrKey,
    Json(TaxTableInput { rates }): Json<TaxTableInput>,
) -> Result<Json<TaxTable>, Problem> {
    let rates = rates.into_iter().enumerate().map(|(index, Object(rate))| {
        let rate_ppm = rate.percentage.ppm(&format!("rates[{index}].percentage"))?;
        let TaxRateInput { country, region, tax_class, name, .. } = rate;
        Ok(pb::TaxRate { country, region: region.unwrap_or_default(), tax_class, name, rate_ppm })
    });
    let request = ReplaceTaxRatesRequest { rates: rates.collect::<Result<_, Problem>>()? };
    let response = app.store_settings().replace_tax_rates(request).await?.into_inner();
    Ok(Json(response.rates.into()))
}
