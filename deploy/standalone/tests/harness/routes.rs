//! Every route there is, and for whom.

use Who::{Admin, Anyone, Buyer, Shopper, User};

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// With or without an account.
    Anyone,
    /// A user, or a guest with a cart token or none yet.
    Shopper,
    /// Whoever is signed in, for what is theirs alone.
    User,
    /// Whoever placed the order, and admins.
    Buyer,
    /// Admins.
    Admin,
}

/// Method, path and who, with the parameters of a path in braces.
pub(crate) type Route = (&'static str, &'static str, Who);

/// The canonical surface: a row a line of the contract's table, an entry a method.
pub(crate) const CANONICAL: &[Route] = &[
    ("POST", "/api/auth/register", Anyone),
    ("POST", "/api/auth/login", Anyone),
    ("POST", "/api/auth/refresh", Anyone),
    ("POST", "/api/auth/logout", User),
    ("POST", "/api/auth/logout-all", User),
    ("GET", "/api/auth/sessions", User),
    ("DELETE", "/api/auth/sessions/{id}", User),
    ("GET", "/api/users/me", User),
    ("PATCH", "/api/users/me", User),
    ("PUT", "/api/users/me", User),
    ("POST", "/api/users/me/password", User),
    ("PUT", "/api/users/me/avatar", User),
    ("DELETE", "/api/users/me/avatar", User),
    ("GET", "/api/users", Admin),
    ("GET", "/api/users/{id}", Admin),
    ("PATCH", "/api/users/{id}", Admin),
    ("DELETE", "/api/users/{id}", Admin),
    ("GET", "/api/categories", Anyone),
    ("GET", "/api/categories/{id}", Anyone),
    ("POST", "/api/categories", Admin),
    ("PUT", "/api/categories/{id}", Admin),
    ("PATCH", "/api/categories/{id}", Admin),
    ("DELETE", "/api/categories/{id}", Admin),
    ("GET", "/api/tags", Anyone),
    ("GET", "/api/tags/{id}", Anyone),
    ("POST", "/api/tags", Admin),
    ("PUT", "/api/tags/{id}", Admin),
    ("PATCH", "/api/tags/{id}", Admin),
    ("DELETE", "/api/tags/{id}", Admin),
    ("GET", "/api/products", Anyone),
    ("GET", "/api/products/{id}", Anyone),
    ("POST", "/api/products", Admin),
    ("PUT", "/api/products/{id}", Admin),
    ("PATCH", "/api/products/{id}", Admin),
    ("DELETE", "/api/products/{id}", Admin),
    ("POST", "/api/products/{id}/images", Admin),
    ("DELETE", "/api/products/{id}/images/{imageId}", Admin),
    ("GET", "/api/cart", Shopper),
    ("POST", "/api/cart/add", Shopper),
    ("POST", "/api/cart/remove", Shopper),
    ("PUT", "/api/cart/items/{productId}", Shopper),
    ("PATCH", "/api/cart/items/{productId}", Shopper),
    ("DELETE", "/api/cart/items/{productId}", Shopper),
    ("DELETE", "/api/cart", Shopper),
    ("POST", "/api/orders", User),
    ("GET", "/api/orders", User),
    ("GET", "/api/orders/{id}", Buyer),
    ("POST", "/api/orders/{id}/cancel", Buyer),
    ("PATCH", "/api/orders/{id}", Admin),
    ("GET", "/api/admin/orders", Admin),
    ("POST", "/api/orders/{id}/payment", User),
    ("POST", "/api/webhooks/stripe", Anyone),
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/.well-known/jwks.json", Anyone),
];

/// The short forms of seed 003 and the classic surface of seed 000.
pub(crate) const CLASSIC: &[Route] = &[
    ("POST", "/auth/register", Anyone),
    ("POST", "/cart/add", Shopper),
    ("POST", "/cart/remove", Shopper),
    ("POST", "/orders", User),
    ("PATCH", "/orders/{id}", Admin),
    ("POST", "/auth/signup", Anyone),
    ("POST", "/auth/login", Anyone),
    ("POST", "/auth/logout", User),
    ("POST", "/products", Admin),
    ("GET", "/products", Anyone),
    ("GET", "/products/{id}", Anyone),
    ("PUT", "/products/{id}", Admin),
    ("DELETE", "/products/{id}", Admin),
    ("POST", "/cart", User),
    ("GET", "/cart", User),
    ("PUT", "/cart/{productId}", User),
    ("DELETE", "/cart/{productId}", User),
    ("POST", "/order", User),
    ("GET", "/order/{id}", Buyer),
    ("GET", "/orders", Admin),
];

/// Files, which are no operations of the API: its document has none of them.
pub(crate) const FILES: &[Route] = &[("GET", "/media/{key}", Anyone)];

/// All operations of the API.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    CANONICAL.iter().chain(CLASSIC).copied()
}
