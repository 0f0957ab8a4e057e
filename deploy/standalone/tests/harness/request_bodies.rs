//! The JSON body of every route, and invalid values of every field.

use serde_json::{Value, json};

use crate::harness::routes::Access::{self, Admin, Anyone, User};

/// A route with a JSON body.
pub(crate) struct Input {
    pub(crate) method: &'static str,
    /// With `{product}`, `{category}`, `{tag}`, `{user}`, `{order}`, `{zone}` and `{discount}` for existing ids.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Whether the body is optional.
    pub(crate) optional: bool,
    /// A valid body.
    pub(crate) body: Value,
    pub(crate) fields: Vec<Field>,
}

/// A field of a body.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    nullable: bool,
    kind: Kind,
}

/// The type of a field.
#[derive(Clone, Copy)]
enum Kind {
    /// 1 to this many characters, without control characters.
    Line(usize),
    /// At most this many characters; line breaks are allowed.
    Text(usize),
    Email,
    Username,
    /// Any text.
    Secret,
    NewPassword,
    Money,
    /// An integer between these bounds.
    Number(i64, i64),
    /// The id of a category, or null.
    Category,
    /// The id or name of a category, or null.
    CategoryOrName,
    Tags,
    Url,
    Role,
    /// A list of scopes.
    Scopes,
    Flag,
    Status,
    Resolution,
    Addresses,
    /// A list of objects.
    Objects,
    /// A list of texts.
    Names,
}

impl Field {
    /// Values that must be rejected.
    pub(crate) fn invalid_values(&self) -> Vec<Value> {
        let mut invalid_values = match self.kind {
            Kind::Secret => vec![json!(7)],
            Kind::NewPassword => {
                vec![json!(7), json!("1234567"), json!("x".repeat(257)), json!("password123")]
            }
            Kind::Line(max) => {
                vec![json!(7), json!(" "), json!("x".repeat(max + 1)), json!("a\0b"), json!("a\u{7}b")]
            }
            Kind::Text(max) => vec![json!(7), json!("x".repeat(max + 1)), json!("a\0b"), json!("a\u{1b}b")],
            Kind::Email => ["", "ada", "a\0@b.example", "a@b", &format!("{}@b.example", "x".repeat(250))]
                .map(Value::from)
                .into(),
            Kind::Username => ["ab", "a b", "a@b", "a\0bc", &"x".repeat(31)].map(Value::from).into(),
            Kind::Money => vec![
                json!(-1),
                json!(-0.01),
                json!(19.999),
                json!(1e300),
                json!(u64::MAX),
                json!(""),
                json!("abc"),
                json!("1,5"),
                json!(" 1"),
                json!("-1"),
                json!("1e99999999999"),
                json!("NaN"),
                json!("1\0"),
            ],
            Kind::Number(min, max) => vec![
                json!("1"),
                json!(1.5),
                json!(min - 1),
                json!(max + 1),
                json!(1_i64 << 31),
                json!(u64::MAX),
            ],
            Kind::Category => vec![
                json!("1"),
                json!("Kitchen"),
                json!(1.5),
                json!(0),
                json!(-1),
                json!(999),
                json!(1_i64 << 31),
            ],
            Kind::CategoryOrName => {
                vec![json!(""), json!("a\0b"), json!("x".repeat(101)), json!(1.5), json!(0), json!(999)]
            }
            Kind::Tags => vec![
                json!(1),
                json!("1"),
                json!([0]),
                json!([999]),
                json!(["x"]),
                json!([1.5]),
                json!(vec![1; 51]),
            ],
            Kind::Url => vec![
                json!(7),
                json!("mug.jpg"),
                json!("//evil.example/a"),
                json!("javascript:alert(1)"),
                json!("/a\0b"),
                json!(format!("/{}", "x".repeat(2000))),
            ],
            Kind::Role => vec![json!(7), json!(""), json!("root"), json!("ADMIN")],
            Kind::Scopes => vec![json!(7), json!("orders:read"), json!([])],
            Kind::Objects => vec![json!(7), json!("x"), json!(["x"]), json!([{}]), json!([["DE", "x"]])],
            Kind::Names => {
                vec![json!(7), json!("Size"), json!([7]), json!([null])]
            }
            Kind::Flag => vec![json!(1), json!("true")],
            Kind::Status => {
                vec![json!(7), json!(""), json!("lost"), json!("PAID"), json!("placing"), json!("rejected")]
            }
            Kind::Resolution => vec![json!(7), json!(""), json!("paid"), json!("RETRY")],
            Kind::Addresses => vec![
                json!(7),
                json!("x"),
                json!(["x"]),
                json!([{}]),
                json!([["Ada", "1 Main St", "", "London", "", "", "GB", "", true]]),
            ],
        };
        if !matches!(self.kind, Kind::Flag) {
            invalid_values.push(json!(true));
        }
        if !matches!(self.kind, Kind::Tags | Kind::Addresses | Kind::Scopes | Kind::Objects | Kind::Names) {
            invalid_values.extend([json!([]), json!([[]])]);
        }
        invalid_values.push(json!({"a": 1}));
        if !self.nullable {
            invalid_values.push(Value::Null);
        }
        invalid_values
    }
}

/// Fields with a name ending in `?` may be omitted or null, those ending in `!` may be omitted.
fn input(
    method: &'static str,
    path: &'static str,
    access: Access,
    body: Value,
    fields: &[(&'static str, Kind)],
) -> Input {
    let field = |(name, kind): &(&'static str, Kind)| Field {
        name: name.trim_end_matches(['?', '!']),
        required: !name.ends_with(['?', '!']),
        nullable: name.ends_with('?'),
        kind: *kind,
    };
    let optional = path.ends_with("/orders") || path.ends_with("/quote") || path == "/order";
    Input { method, path, access, optional, body, fields: fields.iter().map(field).collect() }
}

/// All routes with a JSON body.
pub(crate) fn inputs() -> Vec<Input> {
    let register = json!({"name": "Eve", "email": "eve@shop.example", "username": "eve", "password": "a mug of tea at nine"});
    let register_fields = [
        ("name", Kind::Line(100)),
        ("email", Kind::Email),
        ("username?", Kind::Username),
        ("password", Kind::NewPassword),
    ];
    let login = json!({"login": "unknown", "password": "a mug of tea at nine"});
    let login_fields = [("password", Kind::Secret)];
    let profile = json!({"name": "Eve", "email": "eve@shop.example"});
    let profiles = [
        ("name", Kind::Line(100)),
        ("email", Kind::Email),
        ("username?", Kind::Username),
        ("addresses!", Kind::Addresses),
    ];
    let profile_patches = [
        ("name!", Kind::Line(100)),
        ("email!", Kind::Email),
        ("username?", Kind::Username),
        ("addresses!", Kind::Addresses),
    ];
    let category_or_tag = json!({"name": "Fresh"});
    let category_or_tag_fields = [("name", Kind::Line(100))];
    let product = json!({"name": "Cup", "price": 5, "stock": 1});
    let stock = Kind::Number(0, 1_000_000_000);
    let rest = [
        ("description?", Kind::Text(10_000)),
        ("currency?", Kind::Line(3)),
        ("categoryId?", Kind::Category),
        ("tagIds?", Kind::Tags),
        ("imageUrl?", Kind::Url),
    ];
    let patched = [
        ("description!", Kind::Text(10_000)),
        ("currency!", Kind::Line(3)),
        ("categoryId?", Kind::Category),
        ("tagIds!", Kind::Tags),
        ("imageUrl?", Kind::Url),
    ];
    let products =
        [&[("name", Kind::Line(200)), ("price", Kind::Money), ("stock", stock)], &rest[..]].concat();
    let product_patches =
        [&[("name!", Kind::Line(200)), ("price!", Kind::Money), ("stock!", stock)], &patched[..]].concat();
    let legacy_product = json!({"name": "Cup", "price": 5, "quantity": 1});
    let rest =
        [("description?", Kind::Text(10_000)), ("category?", Kind::CategoryOrName), ("imageUrl?", Kind::Url)];
    let patched =
        [("description!", Kind::Text(10_000)), ("category?", Kind::CategoryOrName), ("imageUrl?", Kind::Url)];
    let legacy_products =
        [&[("name", Kind::Line(200)), ("price", Kind::Money), ("quantity", stock)], &rest[..]].concat();
    let legacy_product_patches =
        [&[("name!", Kind::Line(200)), ("price!", Kind::Money), ("quantity!", stock)], &patched[..]].concat();
    let variant_patches = [
        ("price!", Kind::Money),
        ("compareAtPrice?", Kind::Money),
        ("stock!", stock),
        ("weight!", Kind::Number(0, 10_000_000)),
        ("requiresShipping!", Kind::Flag),
    ];
    let line = json!({"productId": 1, "quantity": 1});
    let quantity = Kind::Number(1, 9_999);
    let lines = [("quantity!", quantity)];
    let set = [("quantity", Kind::Number(0, 9_999))];
    let order = [("expectedTotal?", Kind::Money), ("note?", Kind::Text(1_000))];
    let status = json!({"status": "paid"});
    let statuses = [("status", Kind::Status)];

    let zone = json!({
        "name": "Japan", "places": [{"country": "JP"}],
        "methods": [{"title": "Parcel", "basis": "weight", "rates": [{"atLeast": 0, "price": 9}]}]
    });
    let zones = [("name", Kind::Line(100)), ("places", Kind::Objects), ("methods", Kind::Objects)];
    let discount = json!({"title": "Spring sale", "class": "order", "percentOff": 10, "active": false});
    let discounts = [
        ("title", Kind::Line(100)),
        ("class", Kind::Status),
        ("code?", Kind::Line(64)),
        ("minSubtotal?", Kind::Money),
        ("usageLimit?", Kind::Number(1, 1_000_000_000)),
        ("oncePerCustomer!", Kind::Flag),
        ("active!", Kind::Flag),
    ];

    let mut inputs = vec![
        input(
            "PUT",
            "/api/settings",
            Admin,
            json!({"requireShipping": false, "pricesIncludeTax": true, "country": "DE"}),
            &[("requireShipping", Kind::Flag), ("pricesIncludeTax", Kind::Flag), ("country?", Kind::Line(2))],
        ),
        input(
            "PUT",
            "/api/settings/tax",
            Admin,
            json!({"rates": [{"country": "DE", "name": "VAT", "percentage": 19}]}),
            &[("rates", Kind::Objects)],
        ),
        input("POST", "/api/shipping-zones", Admin, zone.clone(), &zones),
        input("PUT", "/api/shipping-zones/{zone}", Admin, zone, &zones),
        input("POST", "/api/discounts", Admin, discount.clone(), &discounts),
        input("PUT", "/api/discounts/{discount}", Admin, discount, &discounts),
        input(
            "POST",
            "/api/auth/refresh",
            Anyone,
            json!({"refreshToken": "x"}),
            &[("refreshToken", Kind::Secret)],
        ),
        input(
            "POST",
            "/api/auth/2fa",
            Anyone,
            json!({"token": "x", "code": "123456"}),
            &[("code", Kind::Secret), ("token!", Kind::Secret)],
        ),
        input(
            "POST",
            "/api/auth/2fa/enroll",
            User,
            json!({"currentPassword": "a mug of tea at four"}),
            &[("currentPassword", Kind::Secret)],
        ),
        input(
            "POST",
            "/api/admin/api-keys",
            Admin,
            json!({"name": "warehouse", "scopes": ["orders:read"], "expiresInDays": 30}),
            &[("name", Kind::Line(100)), ("scopes", Kind::Scopes), ("expiresInDays!", Kind::Number(1, 365))],
        ),
        input(
            "POST",
            "/api/auth/password/forgot",
            Anyone,
            json!({"email": "ada@shop.example"}),
            &[("email", Kind::Email)],
        ),
        input(
            "POST",
            "/api/auth/password/reset",
            Anyone,
            json!({"token": "x", "password": "a mug of tea at nine"}),
            &[("token", Kind::Secret), ("password", Kind::Secret)],
        ),
        input("PUT", "/api/users/me", User, profile.clone(), &profiles),
        input("PATCH", "/api/users/me", User, profile, &profile_patches),
        input(
            "POST",
            "/api/users/me/password",
            User,
            json!({"currentPassword": "a mug of tea at four", "newPassword": "a mug of tea at nine"}),
            &[("currentPassword", Kind::Secret), ("newPassword", Kind::NewPassword)],
        ),
        input(
            "PATCH",
            "/api/users/{user}",
            Admin,
            json!({"role": "admin"}),
            &[("role!", Kind::Role), ("disabled!", Kind::Flag)],
        ),
        input("POST", "/api/products", Admin, product.clone(), &products),
        input("PUT", "/api/products/{product}", Admin, product.clone(), &products),
        input("PATCH", "/api/products/{product}", Admin, product, &product_patches),
        input(
            "PUT",
            "/api/products/{product}/variants",
            Admin,
            json!({"variants": [{"price": 5, "stock": 1}]}),
            &[("variants", Kind::Objects), ("options!", Kind::Names)],
        ),
        input("PATCH", "/api/variants/{product}", Admin, json!({"price": 5}), &variant_patches),
        input("POST", "/products", Admin, legacy_product.clone(), &legacy_products),
        input("PUT", "/products/{product}", Admin, legacy_product, &legacy_product_patches),
    ];
    for path in ["/api/auth/register", "/auth/register", "/auth/signup"] {
        inputs.push(input("POST", path, Anyone, register.clone(), &register_fields));
    }
    for path in ["/api/auth/2fa/confirm", "/api/auth/2fa/disable"] {
        inputs.push(input("POST", path, User, json!({"code": "123456"}), &[("code", Kind::Secret)]));
    }
    for path in ["/api/auth/email/verify", "/api/auth/email/undo"] {
        inputs.push(input("POST", path, Anyone, json!({"token": "x"}), &[("token", Kind::Secret)]));
    }
    for path in ["/api/auth/login", "/auth/login"] {
        inputs.push(input("POST", path, Anyone, login.clone(), &login_fields));
    }
    for (all, one) in [("/api/categories", "/api/categories/{category}"), ("/api/tags", "/api/tags/{tag}")] {
        inputs.push(input("POST", all, Admin, category_or_tag.clone(), &category_or_tag_fields));
        inputs.push(input("PUT", one, Admin, category_or_tag.clone(), &category_or_tag_fields));
        inputs.push(input("PATCH", one, Admin, category_or_tag.clone(), &category_or_tag_fields));
    }
    for path in ["/api/cart/add", "/cart/add", "/cart"] {
        inputs.push(input("POST", path, User, line.clone(), &lines));
    }
    for path in ["/api/cart/remove", "/cart/remove"] {
        inputs.push(input("POST", path, User, json!({"productId": 1}), &[]));
    }
    for (method, path) in [
        ("PUT", "/api/cart/items/{product}"),
        ("PATCH", "/api/cart/items/{product}"),
        ("PUT", "/cart/{product}"),
    ] {
        inputs.push(input(method, path, User, json!({"quantity": 1}), &set));
    }
    for path in ["/api/checkout/quote", "/api/orders", "/orders", "/order"] {
        // Guests need a contact.
        let body = json!({"contact": {"email": "ada@shop.example"}, "expectedTotal": 1});
        inputs.push(input("POST", path, User, body, &order));
    }
    for path in ["/api/orders/{order}", "/orders/{order}"] {
        inputs.push(input("PATCH", path, Admin, status.clone(), &statuses));
    }
    inputs.push(input(
        "POST",
        "/api/orders/{order}/refunds",
        Admin,
        json!({"amount": 1}),
        &[
            ("amount?", Kind::Money),
            ("shipping!", Kind::Flag),
            ("restock!", Kind::Flag),
            ("reason?", Kind::Text(1_000)),
        ],
    ));
    inputs.push(input(
        "POST",
        "/api/orders/{order}/shipments",
        Admin,
        json!({"carrier": "DHL"}),
        &[("carrier?", Kind::Line(100)), ("trackingNumber?", Kind::Line(100)), ("trackingUrl?", Kind::Url)],
    ));
    inputs.push(input(
        "POST",
        "/api/admin/payments/{order}/resolve",
        Admin,
        json!({"resolution": "retry"}),
        &[("resolution", Kind::Resolution), ("note!", Kind::Text(1_000))],
    ));
    inputs
}
