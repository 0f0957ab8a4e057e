//! Path and query parameters. Unknown query parameters are rejected.

use axum::{
    extract::{FromRequestParts, MatchedPath, Path as AxumPath, path::ErrorKind, rejection::PathRejection},
    http::request::Parts,
};
use http::Uri;
use serde::de::DeserializeOwned;

use super::field_error::FieldError;
use crate::problem::Problem;

/// Path parameters.
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
            Err(error) => {
                let route =
                    parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
                let parameter = rejected_parameter(route, error);
                Err(Problem::malformed(&parameter, "in the path is invalid"))
            }
        }
    }
}

/// The name of the rejected parameter in a route such as `/products/{id}/images/{imageId}`.
fn rejected_parameter(route: &str, error: PathRejection) -> String {
    let index = match error {
        PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => return key,
            ErrorKind::ParseErrorAtIndex { index, .. } => index,
            _ => 0,
        },
        _ => 0,
    };
    let parameter = route.split('{').nth(index + 1).and_then(|rest| rest.split('}').next());
    parameter.unwrap_or("path").to_owned()
}

/// Query parameters. Unknown ones are rejected: a misspelled filter must not return everything.
pub(crate) struct Query<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl<T: DeserializeOwned> Query<T> {
    /// Reads the parameters of a URI.
    ///
    /// # Errors
    /// 400 `malformed_request` for an unknown or invalid parameter.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        parse(uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = serde_html_form::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let FieldError { field, message } = FieldError::new(&error.path().to_string(), error.inner());
        Problem::malformed(&field, message)
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
    fn reads_parameters() {
        let list = parse::<List>("limit=5&inStock=true").unwrap();
        assert_eq!((list.limit, list.in_stock), (Some(5), Some(true)));
    }

    #[test]
    fn names_the_invalid_parameter() {
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
