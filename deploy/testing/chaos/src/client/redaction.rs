//! Removes passwords and tokens from what is written to the journal.

use serde_json::Value;

const SECRET_FIELDS: [&str; 6] =
    ["password", "token", "refreshToken", "cartToken", "accessToken", "clientSecret"];
const REDACTED: &str = "…";

/// Replaces the strings of secret fields.
pub(super) fn redact(json: &Value) -> Value {
    match json {
        Value::Object(fields) => {
            let redacted = fields.iter().map(|(name, value)| match value {
                Value::String(_) if SECRET_FIELDS.contains(&name.as_str()) => (name.clone(), REDACTED.into()),
                value => (name.clone(), redact(value)),
            });
            Value::Object(redacted.collect())
        }
        Value::Array(items) => items.iter().map(redact).collect(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn redacts_secrets_at_any_depth() {
        let json = json!({
            "user": {"id": "7", "password": "hunter2"},
            "sessions": [{"token": "hunter2", "refreshToken": "hunter2", "tokenType": "Bearer"}],
            "cartToken": "hunter2", "clientSecret": "hunter2",
        });
        let redacted = redact(&json);
        assert!(!redacted.to_string().contains("hunter2"), "{redacted}");
        assert_eq!(redacted["user"]["id"], "7");
        assert_eq!(redacted["sessions"][0]["tokenType"], "Bearer");
        assert_eq!(redacted["sessions"][0]["token"], REDACTED);
    }

    #[test]
    fn keeps_a_missing_secret() {
        let json = json!({"clientSecret": null, "amount": 19.99});
        assert_eq!(redact(&json), json);
    }
}
