//! Rejections by every route: of missing permissions, invalid and unknown ids, and invalid bodies.

use serde_json::{Value, json};

use super::recorder::{Recorder, Role, template};
use crate::harness::{
    request_bodies::{Input, inputs},
    routes::{Access, Route, routes},
};

impl Recorder {
    /// Records how the included routes reject requests without permission, with invalid or unknown ids, and with bodies that
    /// are invalid, too large, or have invalid fields.
    pub(super) async fn record_rejections(&mut self, is_included: impl Fn(&str) -> bool, order: &str) {
        let inputs = inputs();
        for route in routes().filter(|(_, path, _)| is_included(path)) {
            let (method, path, access) = route;
            let input =
                inputs.iter().find(|input| (input.method, template(input.path)) == (method, template(path)));
            self.record_access(route, input, order).await;
            self.record_ids(route, input).await;
            let valid = self.with_ids(path, order);
            if let Some(input) = input {
                self.record_bodies(method, &valid, role_for(access), input).await;
            } else if method == "GET" {
                self.send(role_for(access), method, &format!("{valid}?nonsense=1")).await;
            }
        }
    }

    /// Records requests of the roles that may not use a route.
    async fn record_access(&mut self, (method, path, access): Route, input: Option<&Input>, order: &str) {
        let roles: &[Role] = match access {
            Access::Anyone | Access::UserOrGuest => &[],
            Access::Customer => &[Role::Anonymous, Role::InvalidToken],
            Access::User | Access::OrderCustomer => &[Role::Anonymous, Role::InvalidToken, Role::Guest],
            Access::OwnerOrAdmin | Access::OrderCustomerOrAdmin => {
                &[Role::Anonymous, Role::InvalidToken, Role::Guest, Role::OtherUser]
            }
            Access::Admin => &[Role::Anonymous, Role::InvalidToken, Role::Guest, Role::User],
        };
        for role in roles {
            let request = self.request(*role, method, &self.with_ids(path, order));
            let request = match input {
                Some(input) => request.json(&input.body),
                None => request,
            };
            self.record(*role, request).await;
        }
    }

    /// Records requests with an invalid id, and with an unknown one.
    async fn record_ids(&mut self, (method, path, access): Route, input: Option<&Input>) {
        if !path.contains('{') {
            return;
        }
        let unknown = match ["users", "sessions", "order", "api-keys", "mails", "admin/payments"]
            .iter()
            .any(|noun| path.contains(noun))
        {
            true => "00000000-0000-7000-8000-000000000000",
            false => "999",
        };
        for id in ["x", unknown] {
            let path = path.replace("{id}", id).replace("{productId}", id).replace("{imageId}", id);
            let request = self.request(role_for(access), method, &path);
            let request = match input {
                Some(input) => request.json(&input.body),
                None => request,
            };
            self.record(role_for(access), request).await;
        }
    }

    async fn record_bodies(&mut self, method: &str, path: &str, role: Role, input: &Input) {
        let request = self.request(role, method, path);
        if !input.optional {
            self.record(role, request.try_clone().unwrap()).await;
        }
        for (media_type, body) in [
            ("application/json", "{".to_owned()),
            ("application/json", "[]".to_owned()),
            ("text/plain", input.body.to_string()),
            ("application/json", format!("{{\"a\": \"{}\"}}", "x".repeat(300_000))),
        ] {
            let request = request.try_clone().unwrap().header("content-type", media_type).body(body);
            self.record(role, request).await;
        }
        let mut bodies = vec![with(&input.body, "unknown", json!(7))];
        for field in &input.fields {
            if field.required {
                let mut body = input.body.clone();
                body.as_object_mut().unwrap().remove(field.name);
                bodies.push(body);
            }
            bodies.extend(
                field.invalid_values().into_iter().take(2).map(|value| with(&input.body, field.name, value)),
            );
        }
        for body in bodies {
            self.send_json(role, method, path, body).await;
        }
    }

    fn with_ids(&self, path: &str, order: &str) -> String {
        let id = match path {
            path if path.contains("/users/") || path.contains("/api-keys/") || path.contains("/mails/") => {
                self.user.id()
            }
            path if path.contains("/order") || path.contains("/admin/payments") => order,
            _ => "1",
        };
        path.replace("{id}", id).replace("{productId}", "1").replace("{imageId}", "1")
    }
}

/// Returns a role that may use a route.
fn role_for(access: Access) -> Role {
    match access {
        Access::Anyone => Role::Anonymous,
        Access::UserOrGuest
        | Access::Customer
        | Access::User
        | Access::OrderCustomer
        | Access::OrderCustomerOrAdmin
        | Access::OwnerOrAdmin => Role::User,
        Access::Admin => Role::Admin,
    }
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}
