//! `bodega migrate`: applies the migrations, and creates the services' roles.

use anyhow::bail;

use crate::{database::Database, provision::Passwords};

/// Options of `bodega migrate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Password of the role bodega_identity. With all four passwords, the roles are created or updated
    #[arg(long, env = "BODEGA_IDENTITY_DB_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    identity_db_password: Option<String>,
    /// Password of the role bodega_catalog
    #[arg(long, env = "BODEGA_CATALOG_DB_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    catalog_db_password: Option<String>,
    /// Password of the role bodega_cart
    #[arg(long, env = "BODEGA_CART_DB_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    cart_db_password: Option<String>,
    /// Password of the role bodega_order
    #[arg(long, env = "BODEGA_ORDER_DB_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    order_db_password: Option<String>,
}

impl Args {
    /// Returns the passwords; `None` when none is set.
    ///
    /// # Errors
    /// When only some are set. The error names the others.
    pub(crate) fn passwords(self) -> anyhow::Result<Option<Passwords>> {
        match (
            self.identity_db_password,
            self.catalog_db_password,
            self.cart_db_password,
            self.order_db_password,
        ) {
            (Some(identity), Some(catalog), Some(cart), Some(order)) => {
                Ok(Some(Passwords { identity, catalog, cart, order }))
            }
            (None, None, None, None) => Ok(None),
            (identity, catalog, cart, order) => {
                let missing = [
                    (identity, "BODEGA_IDENTITY_DB_PASSWORD"),
                    (catalog, "BODEGA_CATALOG_DB_PASSWORD"),
                    (cart, "BODEGA_CART_DB_PASSWORD"),
                    (order, "BODEGA_ORDER_DB_PASSWORD"),
                ];
                let missing: Vec<_> =
                    missing.iter().filter(|(value, _)| value.is_none()).map(|(_, name)| *name).collect();
                bail!("missing {}: set the passwords of all four roles, or none", missing.join(", "));
            }
        }
    }
}

/// Creates the roles, if there are passwords, in the migrated database. Returns the output.
///
/// # Errors
/// When the database fails, or its owner may not create roles.
pub(crate) async fn create_roles(
    database: &Database,
    passwords: Option<&Passwords>,
) -> anyhow::Result<&'static str> {
    let Some(passwords) = passwords else { return Ok("The database is migrated.\n") };
    database.create_roles(passwords).await?;
    Ok("The database is migrated, and the services' roles are up to date.\n")
}
