//! The databases of the services, if they have one each.

use anyhow::Context as _;
use bodega_runtime::database::{DatabaseArgs, parse_url};
use sqlx::postgres::PgConnectOptions;

use crate::provision::Logins;

/// URLs of the services' databases.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DatabaseUrls {
    /// Database URL of identity, if it has a database of its own [default: `DATABASE_URL`]
    #[arg(long, env = "BODEGA_IDENTITY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub identity_database_url: Option<String>,
    /// Database URL of catalog [default: `DATABASE_URL`]
    #[arg(long, env = "BODEGA_CATALOG_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub catalog_database_url: Option<String>,
    /// Database URL of cart [default: `DATABASE_URL`]
    #[arg(long, env = "BODEGA_CART_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub cart_database_url: Option<String>,
    /// Database URL of order [default: `DATABASE_URL`]
    #[arg(long, env = "BODEGA_ORDER_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub order_database_url: Option<String>,
}

impl DatabaseUrls {
    /// Returns the connection options of the databases; `None` when none is configured. A service without a URL of its own uses
    /// the database of `args`.
    ///
    /// # Errors
    /// When a URL is invalid, and when some services have a URL and others none. The error names the variable.
    pub fn options(&self, args: &DatabaseArgs) -> anyhow::Result<Option<Logins>> {
        let default = args.options()?;
        let urls = [
            &self.identity_database_url,
            &self.catalog_database_url,
            &self.cart_database_url,
            &self.order_database_url,
        ];
        if urls.iter().all(|url| url.is_none()) {
            return Ok(default.map(|default| Logins::shared(&default)));
        }
        let options = |variable: &str, url: &Option<String>| -> anyhow::Result<PgConnectOptions> {
            match url {
                Some(url) => Ok(args.for_pooler(parse_url(variable, url)?)),
                None => {
                    default.clone().with_context(|| format!("{variable} is missing: set it, or DATABASE_URL"))
                }
            }
        };
        let [identity, catalog, cart, order] = urls;
        Ok(Some(Logins {
            identity: options("BODEGA_IDENTITY_DATABASE_URL", identity)?,
            catalog: options("BODEGA_CATALOG_DATABASE_URL", catalog)?,
            cart: options("BODEGA_CART_DATABASE_URL", cart)?,
            order: options("BODEGA_ORDER_DATABASE_URL", order)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(order: Option<&str>, default: Option<&str>) -> anyhow::Result<Option<Logins>> {
        let args = DatabaseArgs { database_url: default.map(str::to_owned), ..DatabaseArgs::default() };
        let urls = DatabaseUrls { order_database_url: order.map(str::to_owned), ..DatabaseUrls::default() };
        urls.options(&args)
    }

    #[test]
    fn a_service_without_a_url_uses_the_common_one() {
        let logins = urls(Some("postgres://orders/one"), Some("postgres://shop/all")).unwrap().unwrap();
        assert_eq!((logins.cart.get_host(), logins.order.get_host()), ("shop", "orders"));
        assert_eq!(urls(None, Some("postgres://shop/all")).unwrap().unwrap().order.get_host(), "shop");
        assert!(urls(None, None).unwrap().is_none());
    }

    #[test]
    fn names_the_variable_of_a_missing_or_invalid_url() {
        let error = urls(Some("postgres://orders/one"), None).unwrap_err().to_string();
        assert_eq!(error, "BODEGA_IDENTITY_DATABASE_URL is missing: set it, or DATABASE_URL");
        let error = urls(Some("hunter2"), Some("postgres://shop/all")).unwrap_err().to_string();
        assert!(error.starts_with("BODEGA_ORDER_DATABASE_URL") && !error.contains("hunter2"), "{error}");
    }
}
