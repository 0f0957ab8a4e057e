//! The parts of a store that can be broken.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Postgres,
    Identity,
    Catalog,
    Cart,
    Order,
    Gateway,
}

impl Role {
    pub(crate) const ALL: [Self; 6] =
        [Self::Postgres, Self::Identity, Self::Catalog, Self::Cart, Self::Order, Self::Gateway];
    /// The store's own processes.
    pub(crate) const PROCESSES: [Self; 5] =
        [Self::Identity, Self::Catalog, Self::Cart, Self::Order, Self::Gateway];
    /// The upstreams of the gateway and of each other.
    pub(super) const SERVICES: [Self; 4] = [Self::Identity, Self::Catalog, Self::Cart, Self::Order];

    /// Returns the name as programs and environment variables contain it.
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
