//! Accounts that were told of are there, and their owners get in.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;

use crate::{
    invariants::reading::{at, id, path},
    journal::Exchange,
};

/// Accounts that are gone, are another's, or keep their owner out.
pub(super) fn judge(exchanges: &[Exchange], shown: &HashMap<String, Value>) -> Vec<String> {
    let mut known: BTreeMap<&str, (&str, Duration)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| path(exchange).starts_with("/api/auth/")) {
        let user = &exchange.told["user"];
        let (Some(email), true) = (user["email"].as_str(), exchange.is_success()) else { continue };
        let (first, since) = *known.entry(email).or_insert((id(user), exchange.ended));
        if first != id(user) {
            let (since, later) = (at(since), at(exchange.ended));
            wrong.push(format!("account {first} of {since} is account {} at {later}", id(user)));
        }
    }
    for (email, (user, since)) in &known {
        let since = at(*since);
        match shown.get(*user) {
            None => wrong.push(format!("account {user}, told of at {since}, is not there")),
            Some(account) if account["email"] != *email => {
                wrong.push(format!("account {user}, told of at {since}, has another email now"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(exchanges.iter().filter_map(|exchange| kept_out(exchange, &known)));
    wrong
}

/// Who could not sign in though there is an account of theirs. Shoppers know their passwords.
fn kept_out(exchange: &Exchange, known: &BTreeMap<&str, (&str, Duration)>) -> Option<String> {
    let is_refused = path(exchange) == "/api/auth/login" && matches!(exchange.status, Some(401 | 403 | 404));
    let (user, since) = known.get(exchange.sent["email"].as_str().filter(|_| is_refused)?)?;
    (exchange.started >= *since).then(|| {
        let (since, later) = (at(*since), at(exchange.ended));
        format!("account {user}, told of at {since}, could not sign in at {later}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::asked;

    fn session(user: &str) -> Value {
        json!({"user": {"id": user, "email": "ada@shop.example"}, "token": "…"})
    }

    fn register() -> Exchange {
        asked("POST", "/api/auth/register").sending(json!({"email": "ada@shop.example"}))
    }

    fn login() -> Exchange {
        asked("POST", "/api/auth/login").sending(json!({"email": "ada@shop.example"})).at(100)
    }

    fn shown(user: &str, email: &str) -> HashMap<String, Value> {
        HashMap::from([(user.to_owned(), json!({"id": user, "email": email}))])
    }

    #[test]
    fn an_account_that_is_there_and_lets_its_owner_in_is_right() {
        let exchanges = [
            login().during(0, 5).told(401, json!({})), // before there was one
            register().told(201, session("u-1")),
            login().told(200, session("u-1")),
            login().told(503, json!({})),
            login().told(429, json!({})),
        ];
        assert_eq!(judge(&exchanges, &shown("u-1", "ada@shop.example")), Vec::<String>::new());
    }

    #[test]
    fn an_account_that_is_gone_is_found() {
        let exchanges = [register().told(201, session("u-1"))];
        assert_eq!(judge(&exchanges, &HashMap::new()), ["account u-1, told of at 0.010 s, is not there"]);
        let other = judge(&exchanges, &shown("u-1", "grace@shop.example"));
        assert_eq!(other, ["account u-1, told of at 0.010 s, has another email now"]);
    }

    #[test]
    fn an_account_that_became_another_is_found() {
        let exchanges = [register().told(201, session("u-1")), login().told(200, session("u-2"))];
        let found = judge(&exchanges, &shown("u-1", "ada@shop.example"));
        assert_eq!(found, ["account u-1 of 0.010 s is account u-2 at 0.110 s"]);
    }

    #[test]
    fn an_owner_who_is_kept_out_is_found() {
        let exchanges = [register().told(201, session("u-1")), login().told(401, json!({}))];
        let found = judge(&exchanges, &shown("u-1", "ada@shop.example"));
        assert_eq!(found, ["account u-1, told of at 0.010 s, could not sign in at 0.110 s"]);
    }

    #[test]
    fn who_was_never_told_of_an_account_is_not_kept_out() {
        let exchanges = [register().unanswered(), login().told(401, json!({}))];
        assert_eq!(judge(&exchanges, &HashMap::new()), Vec::<String>::new());
    }
}
