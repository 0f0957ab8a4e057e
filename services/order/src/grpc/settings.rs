//! `SettingsService`.

use bodega_proto::order::v1::{
    CreateDiscountRequest, CreateDiscountResponse, CreateShippingZoneRequest, CreateShippingZoneResponse,
    DeleteDiscountRequest, DeleteDiscountResponse, DeleteShippingZoneRequest, DeleteShippingZoneResponse,
    GetDiscountRequest, GetDiscountResponse, GetSettingsRequest, GetSettingsResponse, GetShippingZoneRequest,
    GetShippingZoneResponse, ListDiscountsRequest, ListDiscountsResponse, ListShippingZonesRequest,
    ListShippingZonesResponse, ListTaxRatesRequest, ListTaxRatesResponse, ReplaceDiscountRequest,
    ReplaceDiscountResponse, ReplaceShippingZoneRequest, ReplaceShippingZoneResponse, ReplaceTaxRatesRequest,
    ReplaceTaxRatesResponse, UpdateSettingsRequest, UpdateSettingsResponse,
    settings_service_server::SettingsService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::Pool,
    page,
    status::Violations,
};
use tonic::{Request, Response, Status};

use super::rules;
use crate::{
    error::Error,
    fields::parse_code,
    pricing_rules::{
        discounts,
        settings::{self, StoreSettings},
        shipping, taxes,
    },
};

/// Discounts on a page if the client sets no limit.
const DEFAULT_LIMIT: i32 = 20;

pub(crate) struct SettingsApi(Pool);

impl SettingsApi {
    pub(crate) fn new(db: Pool) -> Self {
        Self(db)
    }
}

/// Returns the caller of a request that admins may make, and API keys with the scope of the rules.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    Caller::admin_or_key(request, Scope::SettingsWrite)
}

#[tonic::async_trait]
impl SettingsService for SettingsApi {
    async fn get_settings(
        &self,
        request: Request<GetSettingsRequest>,
    ) -> Result<Response<GetSettingsResponse>, Status> {
        caller(&request)?;
        let settings = settings::find(&self.0).await.map_err(Error::Database)?;
        Ok(Response::new(GetSettingsResponse { settings: Some(settings.into()) }))
    }

    async fn update_settings(
        &self,
        request: Request<UpdateSettingsRequest>,
    ) -> Result<Response<UpdateSettingsResponse>, Status> {
        let caller = caller(&request)?;
        let new = request.into_inner().settings.unwrap_or_default();
        let new = StoreSettings::parse(new.require_shipping, &new.country, new.prices_include_tax)?;
        let settings = settings::update(&self.0, &caller, new).await?;
        Ok(Response::new(UpdateSettingsResponse { settings: Some(settings.into()) }))
    }

    async fn list_tax_rates(
        &self,
        request: Request<ListTaxRatesRequest>,
    ) -> Result<Response<ListTaxRatesResponse>, Status> {
        caller(&request)?;
        let rates = taxes::list(&self.0).await.map_err(Error::Database)?;
        Ok(Response::new(ListTaxRatesResponse { rates: rates.into_iter().map(Into::into).collect() }))
    }

    async fn replace_tax_rates(
        &self,
        request: Request<ReplaceTaxRatesRequest>,
    ) -> Result<Response<ReplaceTaxRatesResponse>, Status> {
        let caller = caller(&request)?;
        let rates = taxes::parse(request.into_inner().rates.into_iter().map(Into::into).collect())?;
        let rates = taxes::replace(&self.0, &caller, &rates).await?;
        Ok(Response::new(ReplaceTaxRatesResponse { rates: rates.into_iter().map(Into::into).collect() }))
    }

    async fn list_shipping_zones(
        &self,
        request: Request<ListShippingZonesRequest>,
    ) -> Result<Response<ListShippingZonesResponse>, Status> {
        caller(&request)?;
        let zones = shipping::list(&self.0).await.map_err(Error::Database)?;
        Ok(Response::new(ListShippingZonesResponse { zones: zones.into_iter().map(Into::into).collect() }))
    }

    async fn get_shipping_zone(
        &self,
        request: Request<GetShippingZoneRequest>,
    ) -> Result<Response<GetShippingZoneResponse>, Status> {
        caller(&request)?;
        let zone = shipping::find(&self.0, request.into_inner().id).await?;
        Ok(Response::new(GetShippingZoneResponse { zone: Some(zone.into()) }))
    }

    async fn create_shipping_zone(
        &self,
        request: Request<CreateShippingZoneRequest>,
    ) -> Result<Response<CreateShippingZoneResponse>, Status> {
        let caller = caller(&request)?;
        let zone = rules::zone(0, request.into_inner().zone)?;
        let zone = shipping::create(&self.0, &caller, zone).await?;
        Ok(Response::new(CreateShippingZoneResponse { zone: Some(zone.into()) }))
    }

    async fn replace_shipping_zone(
        &self,
        request: Request<ReplaceShippingZoneRequest>,
    ) -> Result<Response<ReplaceShippingZoneResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let zone = rules::zone(request.id, request.zone)?;
        let zone = shipping::replace(&self.0, &caller, zone).await?;
        Ok(Response::new(ReplaceShippingZoneResponse { zone: Some(zone.into()) }))
    }

    async fn delete_shipping_zone(
        &self,
        request: Request<DeleteShippingZoneRequest>,
    ) -> Result<Response<DeleteShippingZoneResponse>, Status> {
        let caller = caller(&request)?;
        shipping::delete(&self.0, &caller, request.into_inner().id).await?;
        Ok(Response::new(DeleteShippingZoneResponse {}))
    }

    async fn list_discounts(
        &self,
        request: Request<ListDiscountsRequest>,
    ) -> Result<Response<ListDiscountsResponse>, Status> {
        caller(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::new();
        let code = Some(request.code).filter(|code| !code.is_empty());
        let code = code.map(|code| parse_code(&code, "code", &mut violations));
        violations.finish()?;
        let before = page::decode(&request.cursor)?;
        let limit = page::limit(request.limit, DEFAULT_LIMIT)?;
        let page = discounts::list(&self.0, code.as_deref(), before, limit).await;
        let (discounts, next_cursor) = page.map_err(Error::Database)?;
        let discounts = discounts.into_iter().map(Into::into).collect();
        Ok(Response::new(ListDiscountsResponse { discounts, next_cursor }))
    }

    async fn get_discount(
        &self,
        request: Request<GetDiscountRequest>,
    ) -> Result<Response<GetDiscountResponse>, Status> {
        caller(&request)?;
        let discount = discounts::find(&self.0, request.into_inner().id).await?;
        Ok(Response::new(GetDiscountResponse { discount: Some(discount.into()) }))
    }

    async fn create_discount(
        &self,
        request: Request<CreateDiscountRequest>,
    ) -> Result<Response<CreateDiscountResponse>, Status> {
        let caller = caller(&request)?;
        let new = rules::discount(request.into_inner().discount)?;
        let discount = discounts::create(&self.0, &caller, &new).await?;
        Ok(Response::new(CreateDiscountResponse { discount: Some(discount.into()) }))
    }

    async fn replace_discount(
        &self,
        request: Request<ReplaceDiscountRequest>,
    ) -> Result<Response<ReplaceDiscountResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let new = rules::discount(request.discount)?;
        let discount = discounts::replace(&self.0, &caller, request.id, &new).await?;
        Ok(Response::new(ReplaceDiscountResponse { discount: Some(discount.into()) }))
    }

    async fn delete_discount(
        &self,
        request: Request<DeleteDiscountRequest>,
    ) -> Result<Response<DeleteDiscountResponse>, Status> {
        let caller = caller(&request)?;
        discounts::delete(&self.0, &caller, request.into_inner().id).await?;
        Ok(Response::new(DeleteDiscountResponse {}))
    }
}
