//! Stores with rules: their taxes, shipping methods and discounts, and what customers enter there.

use bodega_proto::order::v1::{
    CheckoutForm, CreateDiscountRequest, CreateShippingZoneRequest, Discount, DiscountClass, GetQuoteRequest,
    GetQuoteResponse, Order, PlaceOrderRequest, PostalAddress, ReplaceDiscountRequest,
    ReplaceTaxRatesRequest, ShippingBasis, ShippingKind, ShippingMethod, ShippingPlace, ShippingRate,
    ShippingZone, StoreSettings, TaxRate, UpdateSettingsRequest,
};
use tonic::Status;
use uuid::Uuid;

use crate::test_app::{TestApp, with_long_deadline};

impl TestApp {
    /// Sets the tax rates of Germany, by tax class.
    pub(crate) async fn set_taxes(&self, rates: &[(&str, i32)]) {
        let rates = rates.iter().map(|(tax_class, rate_ppm)| TaxRate {
            country: "DE".to_owned(),
            region: String::new(),
            tax_class: (*tax_class).to_owned(),
            name: format!("VAT {tax_class}"),
            rate_ppm: *rate_ppm,
        });
        let request = ReplaceTaxRatesRequest { rates: rates.collect() };
        with_long_deadline(self.rules().replace_tax_rates(request)).await.unwrap();
    }

    pub(crate) async fn set_settings(&self, settings: StoreSettings) {
        let request = UpdateSettingsRequest { settings: Some(settings) };
        with_long_deadline(self.rules().update_settings(request)).await.unwrap();
    }

    /// Creates the only shipping method for Germany, with these starts and prices, and returns its id.
    pub(crate) async fn create_shipping_method(&self, basis: ShippingBasis, rates: &[(i64, i64)]) -> i32 {
        let rates =
            rates.iter().map(|(at_least, price)| ShippingRate { at_least: *at_least, price_minor: *price });
        let method = ShippingMethod {
            id: 0,
            title: "Parcel".to_owned(),
            kind: ShippingKind::Delivery.into(),
            basis: basis.into(),
            rates: rates.collect(),
        };
        let place = ShippingPlace { country: "DE".to_owned(), region: String::new() };
        let zone =
            ShippingZone { id: 0, name: "Home".to_owned(), places: vec![place], methods: vec![method] };
        let request = CreateShippingZoneRequest { zone: Some(zone) };
        let created = with_long_deadline(self.rules().create_shipping_zone(request)).await.unwrap();
        created.into_inner().zone.unwrap().methods[0].id
    }

    pub(crate) async fn create_discount(&self, discount: Discount) -> Result<Discount, Status> {
        let request = CreateDiscountRequest { discount: Some(discount) };
        Ok(with_long_deadline(self.rules().create_discount(request)).await?.into_inner().discount.unwrap())
    }

    pub(crate) async fn replace_discount(&self, id: i64, discount: Discount) -> Result<Discount, Status> {
        let request = ReplaceDiscountRequest { id, discount: Some(discount) };
        Ok(with_long_deadline(self.rules().replace_discount(request)).await?.into_inner().discount.unwrap())
    }

    pub(crate) async fn place_form(
        &self,
        user: Uuid,
        key: &str,
        form: CheckoutForm,
    ) -> Result<Order, Status> {
        let request = PlaceOrderRequest {
            idempotency_key: key.to_owned(),
            form: Some(form),
            ..PlaceOrderRequest::default()
        };
        let mut client = self.client(user);
        Ok(with_long_deadline(client.place_order(request)).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn quote(&self, user: Uuid, form: CheckoutForm) -> Result<GetQuoteResponse, Status> {
        let request = GetQuoteRequest { form: Some(form), ..Default::default() };
        Ok(with_long_deadline(self.client(user).get_quote(request)).await?.into_inner())
    }
}

/// A code with 10 % off.
pub(crate) fn discount(code: &str) -> Discount {
    Discount {
        code: code.to_owned(),
        title: "Sale".to_owned(),
        class: DiscountClass::Order.into(),
        rate_ppm: Some(100_000),
        active: true,
        ..Discount::default()
    }
}

/// A form with an address in Germany, and these codes.
pub(crate) fn form(shipping_method: Option<i32>, codes: &[&str]) -> CheckoutForm {
    let address = PostalAddress {
        name: "Ada".to_owned(),
        line1: "1 Main St".to_owned(),
        city: "Berlin".to_owned(),
        country: "DE".to_owned(),
        ..PostalAddress::default()
    };
    CheckoutForm {
        shipping_address: Some(address),
        shipping_method,
        discount_codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..CheckoutForm::default()
    }
}
