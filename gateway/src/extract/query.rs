//! Path and query parameters, read strictly.

use axum::{
    extract::{FromRequestParts, MatchedPath, Path as AxumPath, path::ErrorKind, rejection::PathRejection},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of a path.
pub(crate) struct Path<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match AxumPath::<T>::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(cause) => {
                let route =
                    parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
                let parameter = refused_parameter(route, cause);
                Err(Problem::malformed(&parameter, "in the path is not of the right form"))
            }
        }
    }
}

/// The parameter that is refused, of a route such as `/products/{id}/images/{imageId}`.
fn refused_parameter(route: &str, cause: PathRejection) -> String {
    let index = match cause {
        PathRejection::FailedToDeserializePathParams(cause) => match cause.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => return key,
            ErrorKind::ParseErrorAtIndex { index, .. } => index,
            _ => 0,
        },
        _ => 0,
    };
    let parameter = route.split('{').nth(index + 1).and_then(|rest| rest.split('}').next());
    parameter.unwrap_or("path").to_owned()
}

/// The parameters of a query. An unknown one is refused by name: a filter with a typo must not show everything.
pub(crate) struct Query<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = serde_html_form::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        let named = text.split('`').nth(1).unwrap_or_default();
        if text.starts_with("unknown field") {
            Problem::malformed(named, "is not a parameter of this request")
        } else if text.starts_with("missing field") {
            Problem::malformed(named, "is required")
        } else if text.starts_with("duplicate field") {
            Problem::malformed(named, "is given twice")
        } else {
            Problem::malformed(&path, format!("is not right: {text}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct List {
        limit: Option<i32>,
        in_stock: Option<bool>,
    }

    #[test]
    fn parameters_are_read() {
        let list = parse::<List>("limit=5&inStock=true").unwrap();
        assert_eq!((list.limit, list.in_stock), (Some(5), Some(true)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, field) in [
            ("limit=x", "limit"),
            ("limt=5", "limt"),
            ("inStock=maybe", "inStock"),
            ("limit=1&limit=2", "limit"),
        ] {
            let problem = serde_json::to_value(parse::<List>(query).unwrap_err()).unwrap();
            assert_eq!(problem["status"], 400, "{query}");
            assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
        }
    }
}
