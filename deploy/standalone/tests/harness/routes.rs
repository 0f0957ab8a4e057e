//! Every route, and the clients that may call it.

use Access::{Admin, Anyone, Customer, OrderCustomer, OrderCustomerOrAdmin, OwnerOrAdmin, User, UserOrGuest};

/// The clients that may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// All clients.
    Anyone,
    /// Users and guests.
    UserOrGuest,
    /// Signed-in users, for their own resources.
    User,
    /// Users, and guests with a cart.
    Customer,
    /// The user who placed the order, and the bearer of its token.
    OrderCustomer,
    /// The user who placed the order, the bearer of its token, and admins.
    OrderCustomerOrAdmin,
    /// The user who placed the order, and admins.
    OwnerOrAdmin,
    Admin,
}

/// Method, path with parameters in braces, and access.
pub(crate) type Route = (&'static str, &'static str, Access);

/// The routes under `/api`, health checks and public keys.
pub(crate) const CANONICAL: &[Route] = &[
    ("POST", "/api/auth/register", Anyone),
    ("POST", "/api/auth/login", Anyone),
    ("POST", "/api/auth/refresh", Anyone),
    ("POST", "/api/auth/password/forgot", Anyone),
    ("POST", "/api/auth/password/reset", Anyone),
    ("POST", "/api/auth/email/verify", Anyone),
    ("POST", "/api/auth/email/resend", User),
    ("POST", "/api/auth/email/undo", Anyone),
    ("POST", "/api/auth/logout", User),
    ("POST", "/api/auth/logout-all", User),
    ("GET", "/api/auth/sessions", User),
    ("DELETE", "/api/auth/sessions/{id}", User),
    ("GET", "/api/auth/2fa", User),
    ("POST", "/api/auth/2fa", Anyone),
    ("POST", "/api/auth/2fa/enroll", User),
    ("POST", "/api/auth/2fa/confirm", User),
    ("POST", "/api/auth/2fa/disable", User),
    ("GET", "/api/admin/api-keys", Admin),
    ("POST", "/api/admin/api-keys", Admin),
    ("DELETE", "/api/admin/api-keys/{id}", Admin),
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
    ("POST", "/api/users/{id}/password-reset", Admin),
    ("GET", "/api/admin/mails", Admin),
    ("POST", "/api/admin/mails/{id}/resend", Admin),
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
    ("PUT", "/api/products/{id}/variants", Admin),
    ("PATCH", "/api/variants/{id}", Admin),
    ("GET", "/api/cart", UserOrGuest),
    ("POST", "/api/cart/add", UserOrGuest),
    ("POST", "/api/cart/remove", UserOrGuest),
    ("PUT", "/api/cart/items/{productId}", UserOrGuest),
    ("PATCH", "/api/cart/items/{productId}", UserOrGuest),
    ("DELETE", "/api/cart/items/{productId}", UserOrGuest),
    ("DELETE", "/api/cart", UserOrGuest),
    ("POST", "/api/checkout/quote", Customer),
    ("POST", "/api/orders", Customer),
    ("GET", "/api/orders", User),
    ("GET", "/api/orders/{id}", OrderCustomerOrAdmin),
    ("POST", "/api/orders/{id}/cancel", OrderCustomerOrAdmin),
    ("POST", "/api/orders/{id}/claim", User),
    ("PATCH", "/api/orders/{id}", Admin),
    ("POST", "/api/orders/{id}/refunds", Admin),
    ("POST", "/api/orders/{id}/shipments", Admin),
    ("GET", "/api/admin/orders", Admin),
    ("DELETE", "/api/admin/orders/{id}/contact", Admin),
    ("GET", "/api/settings", Admin),
    ("PUT", "/api/settings", Admin),
    ("GET", "/api/settings/tax", Admin),
    ("PUT", "/api/settings/tax", Admin),
    ("GET", "/api/shipping-zones", Admin),
    ("POST", "/api/shipping-zones", Admin),
    ("GET", "/api/shipping-zones/{id}", Admin),
    ("PUT", "/api/shipping-zones/{id}", Admin),
    ("DELETE", "/api/shipping-zones/{id}", Admin),
    ("GET", "/api/discounts", Admin),
    ("POST", "/api/discounts", Admin),
    ("GET", "/api/discounts/{id}", Admin),
    ("PUT", "/api/discounts/{id}", Admin),
    ("DELETE", "/api/discounts/{id}", Admin),
    ("GET", "/api/admin/audit", Admin),
    ("GET", "/api/admin/payments", Admin),
    ("POST", "/api/admin/payments/{id}/resolve", Admin),
    ("POST", "/api/orders/{id}/payment", OrderCustomer),
    ("POST", "/api/webhooks/stripe", Anyone),
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/status", Anyone),
    ("GET", "/.well-known/jwks.json", Anyone),
];

/// The route aliases and the legacy API.
pub(crate) const LEGACY: &[Route] = &[
    ("POST", "/auth/register", Anyone),
    ("POST", "/cart/add", UserOrGuest),
    ("POST", "/cart/remove", UserOrGuest),
    ("POST", "/orders", Customer),
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
    ("GET", "/order/{id}", OwnerOrAdmin),
    ("GET", "/orders", Admin),
];

/// Files, which are not in the OpenAPI document.
pub(crate) const FILES: &[Route] = &[("GET", "/media/{key}", Anyone)];

/// All routes of the API.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    CANONICAL.iter().chain(LEGACY).copied()
}
