//! Who there is in a store.

use std::fmt;

/// A part of a store that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// The database.
    Postgres,
    /// Accounts and sessions.
    Identity,
    /// Products and their stock.
    Catalog,
    /// Carts.
    Cart,
    /// Orders and their payments.
    Order,
    /// What clients speak to.
    Gateway,
}

impl Role {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Postgres, Self::Identity, Self::Catalog, Self::Cart, Self::Order, Self::Gateway];
    /// Those that are processes of the store.
    pub(crate) const PROCESSES: [Self; 5] =
        [Self::Identity, Self::Catalog, Self::Cart, Self::Order, Self::Gateway];
    /// Those that the gateway calls, and that call each other.
    pub(super) const SERVICES: [Self; 4] = [Self::Identity, Self::Catalog, Self::Cart, Self::Order];

    /// In one word, as its program and its variables have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Identity => "identity",
            Self::Catalog => "catalog",
            Self::Cart => "cart",
            Self::Order => "order",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
