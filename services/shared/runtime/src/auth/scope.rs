//! Scopes: what an API key may do.

use std::{fmt, str::FromStr};

/// Start of every API key, which distinguishes it from an access token.
pub const API_KEY_PREFIX: &str = "bodega_";

/// A permission of an API key. Admins have all of them; what has no scope is for admins only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Create, change and delete products, their images and stock, categories and tags.
    CatalogWrite,
    /// Read the orders and payments of all customers.
    OrdersRead,
    /// Change the status of orders, and cancel unpaid ones.
    OrdersWrite,
    /// Move money: cancel paid orders, which refunds them, and resolve payments.
    PaymentsWrite,
    /// Read users.
    UsersRead,
    /// Read the audit log.
    AuditRead,
    /// Read and change settings, taxes, shipping zones and discounts.
    SettingsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 7] = [
        Self::CatalogWrite,
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::PaymentsWrite,
        Self::UsersRead,
        Self::AuditRead,
        Self::SettingsWrite,
    ];

    /// Returns the name, as in access tokens and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CatalogWrite => "catalog:write",
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::PaymentsWrite => "payments:write",
            Self::UsersRead => "users:read",
            Self::AuditRead => "audit:read",
            Self::SettingsWrite => "settings:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("must be one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_names_of_all_scopes_only() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        for text in ["", "catalog", "catalog:read", "Catalog:Write", "catalog:write "] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
