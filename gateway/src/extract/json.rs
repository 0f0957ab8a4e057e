//! JSON bodies. Unknown fields are rejected.

use std::fmt::Display;

use axum::{
    extract::{FromRequest, OptionalFromRequest, Request},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    field_error::FieldError,
    raw::{Raw, media_type},
};
use crate::problem::Problem;

/// A JSON body of a request or a response.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let Raw(body) = Raw::from_request(request, state).await?;
        parse(&body).map(Self)
    }
}

/// For requests with an optional body: an empty body of any media type counts as none.
impl<S, T> OptionalFromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let media_type = require_json(request.headers());
        let Raw(body) = Raw::from_request(request, state).await?;
        if body.is_empty() {
            return Ok(None);
        }
        media_type?;
        parse(&body).map(|value| Some(Self(value)))
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = media_type(headers);
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if is_json { Ok(()) } else { Err(Problem::unsupported_media_type("application/json")) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = std::str::from_utf8(body).map_err(not_json)?;
    // serde accepts an array for a struct, with the fields in order.
    if body.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(body).map_err(not_json)?;
        return Err(Problem::invalid("body", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_str(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // serde may reject a field before a syntax error further on, which is reported instead. Its error category does not
        // help: a number in place of a string counts as a syntax error.
        match serde_json::from_str::<IgnoredAny>(body) {
            Ok(_) => {
                let FieldError { field, message } = FieldError::new(&error.path().to_string(), error.inner());
                Problem::invalid(&field, message)
            }
            Err(error) => not_json(error),
        }
    })?;
    json.end().map_err(not_json)?;
    Ok(value)
}

fn not_json(error: impl Display) -> Problem {
    Problem::malformed("body", format!("is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Body {
        #[serde(alias = "product_name")]
        name: String,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        quantity: i32,
    }

    fn problem(body: &str) -> serde_json::Value {
        serde_json::to_value(parse::<Body>(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn accepts_an_alias() {
        let body = parse::<Body>(br#"{"product_name": "Mug", "lines": [{"quantity": 2}]}"#).unwrap();
        assert_eq!((body.name.as_str(), body.lines[0].quantity), ("Mug", 2));
    }

    #[tokio::test]
    async fn an_optional_body_may_be_empty() {
        for (content_type, body, expected) in [
            (None, "", Ok(None)),
            (Some("application/json"), "", Ok(None)),
            (Some("application/json"), r#"{"name": "Mug"}"#, Ok(Some("Mug"))),
            (Some("application/json"), "{}", Err(422)),
            (Some("application/json"), "{", Err(400)),
            (None, "{}", Err(415)),
        ] {
            let mut request = http::Request::new(body.into());
            request.headers_mut().extend(content_type.map(|value| (CONTENT_TYPE, value.parse().unwrap())));
            let read = <Json<Body> as OptionalFromRequest<()>>::from_request(request, &()).await;
            let name = read.map(|body| body.map(|Json(body)| body.name));
            let name = name.map_err(|problem| serde_json::to_value(problem).unwrap()["status"].clone());
            assert_eq!(name, expected.map(|name| name.map(str::to_owned)).map_err(Into::into), "{body}");
        }
    }

    #[test]
    fn names_the_invalid_field() {
        for (body, status, field) in [
            ("{", 400, "body"),
            (r#"{"name": "Mug"} x"#, 400, "body"),
            (r#"{"colour": "red",}"#, 400, "body"),
            (r#"{} {}"#, 400, "body"),
            ("", 400, "body"),
            ("[]", 422, "body"),
            (r#" ["Mug", []]"#, 422, "body"),
            (r#"["Mug""#, 400, "body"),
            ("{}", 422, "name"),
            (r#"{"name": 7}"#, 422, "name"),
            (r#"{"name": "Mug", "colour": "red"}"#, 422, "colour"),
            (r#"{"name": "Mug", "product_name": "Cup"}"#, 422, "name"),
            (r#"{"name": "Mug", "lines": [{"quantity": 1}, {"quantity": "x"}]}"#, 422, "lines[1].quantity"),
            (r#"{"name": "Mug", "lines": [{"quantity": 1, "note": ""}]}"#, 422, "lines[0].note"),
            (r#"{"name": "Mug", "lines": [{}]}"#, 422, "lines[0].quantity"),
        ] {
            let problem = problem(body);
            assert_eq!(problem["status"], status, "{body}");
            assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        }
    }
}
