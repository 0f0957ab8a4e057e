//! Registered users exist and can sign in.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;

use crate::{
    invariants::exchanges::{format_time, id, path},
    journal::Exchange,
};

/// User ids by email, and when they were first returned.
type KnownUsers<'a> = BTreeMap<&'a str, (&'a str, Duration)>;

/// Finds users that are missing or have changed, and logins that were rejected.
pub(super) fn find_violations(exchanges: &[Exchange], rest: &HashMap<String, Value>) -> Vec<String> {
    let mut known = KnownUsers::new();
    let mut violations = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| path(exchange).starts_with("/api/auth/")) {
        let user = &exchange.response["user"];
        let (Some(email), true) = (user["email"].as_str(), exchange.is_success()) else { continue };
        let (first, since) = *known.entry(email).or_insert((id(user), exchange.ended));
        if first != id(user) {
            let (since, at) = (format_time(since), format_time(exchange.ended));
            violations.push(format!("user {first}, known since {since}, is user {} at {at}", id(user)));
        }
    }
    for (email, (user, since)) in &known {
        let since = format_time(*since);
        match rest.get(*user) {
            None => violations.push(format!("user {user}, known since {since}, does not exist")),
            Some(stored) if stored["email"] != *email => {
                violations.push(format!("user {user}, known since {since}, has another email"));
            }
            Some(_) => {}
        }
    }
    violations.extend(exchanges.iter().filter_map(|exchange| rejected_login(exchange, &known)));
    violations
}

/// Describes a login that was rejected after the registration. Clients use the right passwords.
fn rejected_login(exchange: &Exchange, known: &KnownUsers<'_>) -> Option<String> {
    let is_rejected = path(exchange) == "/api/auth/login" && matches!(exchange.status, Some(401 | 403 | 404));
    let (user, since) = known.get(exchange.request["email"].as_str().filter(|_| is_rejected)?)?;
    (exchange.started >= *since).then(|| {
        let (since, at) = (format_time(*since), format_time(exchange.ended));
        format!("user {user}, known since {since}, could not sign in at {at}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::fixtures::request;

    fn session(user: &str) -> Value {
        json!({"user": {"id": user, "email": "ada@shop.example"}, "token": "…"})
    }

    fn register() -> Exchange {
        request("POST", "/api/auth/register").with_body(json!({"email": "ada@shop.example"}))
    }

    fn login() -> Exchange {
        request("POST", "/api/auth/login").with_body(json!({"email": "ada@shop.example"})).at(100)
    }

    fn rest(user: &str, email: &str) -> HashMap<String, Value> {
        HashMap::from([(user.to_owned(), json!({"id": user, "email": email}))])
    }

    #[test]
    fn accepts_a_user_who_exists_and_can_sign_in() {
        let exchanges = [
            login().during(0, 5).with_response(401, json!({})), // before the registration
            register().with_response(201, session("u-1")),
            login().with_response(200, session("u-1")),
            login().with_response(503, json!({})),
            login().with_response(429, json!({})),
        ];
        let violations = find_violations(&exchanges, &rest("u-1", "ada@shop.example"));
        assert_eq!(violations, Vec::<String>::new());
    }

    #[test]
    fn finds_a_missing_user_and_another_email() {
        let exchanges = [register().with_response(201, session("u-1"))];
        let missing = ["user u-1, known since 0.010 s, does not exist"];
        assert_eq!(find_violations(&exchanges, &HashMap::new()), missing);
        let other = find_violations(&exchanges, &rest("u-1", "grace@shop.example"));
        assert_eq!(other, ["user u-1, known since 0.010 s, has another email"]);
    }

    #[test]
    fn finds_a_user_that_became_another() {
        let exchanges =
            [register().with_response(201, session("u-1")), login().with_response(200, session("u-2"))];
        let violations = find_violations(&exchanges, &rest("u-1", "ada@shop.example"));
        assert_eq!(violations, ["user u-1, known since 0.010 s, is user u-2 at 0.110 s"]);
    }

    #[test]
    fn finds_a_rejected_login() {
        let exchanges =
            [register().with_response(201, session("u-1")), login().with_response(401, json!({}))];
        let violations = find_violations(&exchanges, &rest("u-1", "ada@shop.example"));
        assert_eq!(violations, ["user u-1, known since 0.010 s, could not sign in at 0.110 s"]);
    }

    #[test]
    fn accepts_a_rejected_login_without_a_registration() {
        let exchanges = [register().without_response(), login().with_response(401, json!({}))];
        assert_eq!(find_violations(&exchanges, &HashMap::new()), Vec::<String>::new());
    }
}
