//! What a journal does not keep.

use serde_json::Value;

/// What may be used by whoever reads it.
const SECRETS: [&str; 5] = ["password", "token", "refreshToken", "cartToken", "clientSecret"];
/// What is written down in their place: that they were there can be seen.
const LEFT_OUT: &str = "…";

/// The same JSON, without the passwords and tokens in it.
pub(super) fn left_out(json: &Value) -> Value {
    match json {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, value)| match value {
                Value::String(_) if SECRETS.contains(&name.as_str()) => (name.clone(), LEFT_OUT.into()),
                value => (name.clone(), left_out(value)),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(left_out).collect(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_is_kept_however_deep_it_is() {
        let told = json!({
            "user": {"id": "7", "password": "hunter2"},
            "sessions": [{"token": "hunter2", "refreshToken": "hunter2", "tokenType": "Bearer"}],
            "cartToken": "hunter2", "clientSecret": "hunter2",
        });
        let kept = left_out(&told);
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        assert_eq!(kept["user"]["id"], "7");
        assert_eq!(kept["sessions"][0]["tokenType"], "Bearer");
        assert_eq!(kept["sessions"][0]["token"], LEFT_OUT);
    }

    #[test]
    fn a_secret_that_is_missing_is_seen_to_be() {
        let told = json!({"clientSecret": null, "amount": 19.99});
        assert_eq!(left_out(&told), told);
    }
}
