//! Routes, and requests with valid parameters.

use http::Method;

use super::{
    auth::Caller,
    params::{Params, missing},
};
use crate::{
    call::Operation,
    error::Error,
    ledger::{NewIntent, NewRefund, Page},
};

/// The highest amount, in minor units.
const MAX_AMOUNT: i64 = 99_999_999;

/// A request that can be executed.
#[derive(Debug)]
pub(crate) enum Command {
    CreateIntent(NewIntent),
    RetrieveIntent { id: String, client_secret: Option<String> },
    ListIntents(Page),
    ConfirmIntent { id: String, client_secret: Option<String>, payment_method: Option<String> },
    CancelIntent { id: String, reason: Option<String> },
    CreateRefund(NewRefund),
    RetrieveRefund(String),
    ListRefunds { payment_intent: Option<String>, charge: Option<String>, page: Page },
    RetrieveCharge(String),
    RetrieveAccount,
}

/// A known method and path.
pub(crate) enum Route<'a> {
    CreateIntent,
    Intent(&'a str),
    Intents,
    Confirm(&'a str),
    Cancel(&'a str),
    CreateRefund,
    Refund(&'a str),
    Refunds,
    Charge(&'a str),
    Account,
}

impl<'a> Route<'a> {
    /// Finds the route of a request.
    ///
    /// # Errors
    /// When there is no such route.
    pub(crate) fn of(method: &Method, path: &'a str) -> Result<Self, Error> {
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        Ok(match (method.as_str(), &*segments) {
            ("POST", ["v1", "payment_intents"]) => Self::CreateIntent,
            ("GET", ["v1", "payment_intents"]) => Self::Intents,
            ("GET", ["v1", "payment_intents", id]) => Self::Intent(id),
            ("POST", ["v1", "payment_intents", id, "confirm"]) => Self::Confirm(id),
            ("POST", ["v1", "payment_intents", id, "cancel"]) => Self::Cancel(id),
            ("POST", ["v1", "refunds"]) => Self::CreateRefund,
            ("GET", ["v1", "refunds"]) => Self::Refunds,
            ("GET", ["v1", "refunds", id]) => Self::Refund(id),
            ("GET", ["v1", "charges", id]) => Self::Charge(id),
            ("GET", ["v1", "account"]) => Self::Account,
            _ => return Err(Error::no_such_url(method, path)),
        })
    }

    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::CreateIntent => Operation::Create,
            Self::Confirm(_) => Operation::Confirm,
            Self::Cancel(_) => Operation::Cancel,
            Self::CreateRefund => Operation::Refund,
            Self::Intent(_) | Self::Intents | Self::Refund(_) | Self::Refunds | Self::Charge(_) => {
                Operation::Retrieve
            }
            Self::Account => Operation::Retrieve,
        }
    }
}

impl Command {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// When the caller is not allowed to do this, or a parameter is invalid.
    pub(crate) fn read(route: &Route<'_>, caller: Caller, params: &Params) -> Result<Self, Error> {
        let client_secret = || match (params.text("client_secret")?, caller) {
            (None, Caller::Browser) => Err(missing("client_secret")),
            (client_secret, _) => Ok(client_secret),
        };
        let owned = |id: &str| id.to_owned();
        if caller == Caller::Browser && !matches!(route, Route::Intent(_) | Route::Confirm(_)) {
            return Err(Error::unauthorized(
                "This API call cannot be made with a publishable API key. Please use a secret API key.",
            )
            .code("secret_key_required"));
        }
        Ok(match route {
            Route::CreateIntent => Self::CreateIntent(new_intent(params)?),
            Route::Intents => {
                params.allow_only(&["limit", "starting_after"])?;
                Self::ListIntents(params.page()?)
            }
            Route::Intent(id) => {
                params.allow_only(&["client_secret"])?;
                Self::RetrieveIntent { id: owned(id), client_secret: client_secret()? }
            }
            Route::Confirm(id) => {
                params.allow_only(&["client_secret", "payment_method", "return_url"])?;
                let payment_method = params.text("payment_method")?;
                Self::ConfirmIntent { id: owned(id), client_secret: client_secret()?, payment_method }
            }
            Route::Cancel(id) => {
                params.allow_only(&["cancellation_reason"])?;
                let reasons = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
                let reason = params.one_of("cancellation_reason", &reasons)?;
                Self::CancelIntent { id: owned(id), reason }
            }
            Route::CreateRefund => Self::CreateRefund(new_refund(params)?),
            Route::Refunds => {
                params.allow_only(&["payment_intent", "charge", "limit", "starting_after"])?;
                let (payment_intent, charge) = (params.text("payment_intent")?, params.text("charge")?);
                Self::ListRefunds { payment_intent, charge, page: params.page()? }
            }
            Route::Refund(id) => {
                params.allow_only(&[])?;
                Self::RetrieveRefund(owned(id))
            }
            Route::Charge(id) => {
                params.allow_only(&[])?;
                Self::RetrieveCharge(owned(id))
            }
            Route::Account => {
                params.allow_only(&[])?;
                Self::RetrieveAccount
            }
        })
    }
}

fn new_intent(params: &Params) -> Result<NewIntent, Error> {
    params.allow_only(&["amount", "currency", "description", "metadata", "automatic_payment_methods"])?;
    let amount = params.integer("amount", 1..=MAX_AMOUNT)?.ok_or_else(|| missing("amount"))?;
    let currency = params.text("currency")?.ok_or_else(|| missing("currency"))?.to_ascii_lowercase();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(Error::invalid(format!("Invalid currency: {currency}.")).with("param", "currency"));
    }
    let enabled = params.one_of("automatic_payment_methods[enabled]", &["true", "false"])?;
    let redirects = params.one_of("automatic_payment_methods[allow_redirects]", &["always", "never"])?;
    Ok(NewIntent {
        amount,
        currency,
        description: params.text("description")?,
        metadata: params.metadata()?,
        allow_redirects: (enabled.as_deref() != Some("false"))
            .then(|| redirects.unwrap_or_else(|| "always".to_owned())),
    })
}

fn new_refund(params: &Params) -> Result<NewRefund, Error> {
    params.allow_only(&["payment_intent", "charge", "amount", "reason", "metadata"])?;
    Ok(NewRefund {
        payment_intent: params.text("payment_intent")?,
        charge: params.text("charge")?,
        amount: params.integer("amount", 1..=MAX_AMOUNT)?,
        reason: params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?,
        metadata: params.metadata()?,
    })
}
