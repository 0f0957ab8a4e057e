use bodega_proto::catalog::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{IntoParams, ToSchema};

use crate::{
    extract::Limit,
    json::{IdOrName, ids_or_names},
    problem::Problem,
};

/// Filters, all of which must match, the order and the page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProductQuery {
    /// Words to search for in names and descriptions. With `sort=relevance` and words that many products contain, the list
    /// ends after the newest 500 of them and those whose names begin with the words; the other orders list all.
    #[param(max_length = 200, example = "mug")]
    q: String,
    /// Id or name of a category. May be repeated: products in any of the categories match.
    #[serde(deserialize_with = "ids_or_names")]
    #[param(value_type = Vec<String>, max_items = 50)]
    category: Vec<IdOrName>,
    /// Id or name of a tag. May be repeated: products with all of the tags match.
    #[serde(deserialize_with = "ids_or_names")]
    #[param(value_type = Vec<String>, max_items = 50)]
    tag: Vec<IdOrName>,
    /// Lowest unit price in major units of the currency.
    #[param(value_type = Option<f64>, minimum = 0, example = 5)]
    min_price: Option<String>,
    /// Highest unit price in major units of the currency.
    #[param(value_type = Option<f64>, minimum = 0, example = 49.99)]
    max_price: Option<String>,
    /// `true` for products in stock, `false` for products out of stock.
    in_stock: Option<bool>,
    /// Ids of products, separated by commas or repeated.
    #[serde(deserialize_with = "ids")]
    #[param(max_items = 200)]
    ids: Vec<i32>,
    /// Order of the products; `-` is descending. By default `relevance` with `q`, else `newest`.
    #[param(inline)]
    sort: Option<Sort>,
    /// `variants` for products with their variants. A page with 1,000 variants ends before the limit.
    #[param(inline)]
    include: Option<Include>,
    /// Maximum number of items in the page.
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filters and sort.
    cursor: String,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Include {
    Variants,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Relevance,
    Newest,
    Oldest,
    Price,
    #[serde(rename = "-price")]
    PriceDescending,
    Name,
    #[serde(rename = "-name")]
    NameDescending,
}

impl From<Sort> for pb::ProductSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Relevance => Self::Relevance,
            Sort::Newest => Self::Newest,
            Sort::Oldest => Self::Oldest,
            Sort::Price => Self::PriceAsc,
            Sort::PriceDescending => Self::PriceDesc,
            Sort::Name => Self::NameAsc,
            Sort::NameDescending => Self::NameDesc,
        }
    }
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
    let lists = Vec::<String>::deserialize(deserializer)?;
    let ids = lists.iter().flat_map(|list| list.split(',')).map(|id| id.trim().parse());
    ids.collect::<Result<_, _>>().map_err(|_| D::Error::custom("expected ids such as 3,7,11"))
}

impl ProductQuery {
    pub(crate) fn includes_variants(&self) -> bool {
        matches!(self.include, Some(Include::Variants))
    }

    /// # Errors
    /// 400 `malformed_request` for a price that is not an amount of `currency`.
    pub(crate) fn into_request(self, currency: Currency) -> Result<pb::ListProductsRequest, Problem> {
        let price = |text: Option<String>, field| {
            let minor = text.map(|text| currency.parse_amount(&text)).transpose();
            minor.map_err(|error| Problem::malformed(field, error))
        };
        let sort = self.sort.map_or(pb::ProductSort::Unspecified, pb::ProductSort::from);
        let omit_variants = !self.includes_variants();
        Ok(pb::ListProductsRequest {
            q: self.q,
            categories: self.category.into_iter().map(pb::IdOrName::from).collect(),
            tags: self.tag.into_iter().map(pb::IdOrName::from).collect(),
            min_price_minor: price(self.min_price, "minPrice")?,
            max_price_minor: price(self.max_price, "maxPrice")?,
            in_stock: self.in_stock,
            ids: self.ids,
            sort: sort.into(),
            limit: self.limit.get(),
            cursor: self.cursor,
            omit_variants,
        })
    }
}

#[cfg(test)]
mod tests {
    use bodega_proto::catalog::v1::id_or_name;
    use http::request::Parts;

    use super::*;
    use crate::extract::Query;

    async fn request(query: &str) -> Result<pb::ListProductsRequest, serde_json::Value> {
        use axum::extract::FromRequestParts as _;
        let uri = format!("/api/products?{query}");
        let (mut parts, ()): (Parts, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
        let read = Query::<ProductQuery>::from_request_parts(&mut parts, &()).await;
        let request = read.and_then(|Query(query)| query.into_request("USD".parse().unwrap()));
        request.map_err(|problem| serde_json::to_value(problem).unwrap())
    }

    #[tokio::test]
    async fn an_empty_query_has_no_filters() {
        let expected = pb::ListProductsRequest { omit_variants: true, ..Default::default() };
        assert_eq!(request("").await.unwrap(), expected);
        assert_eq!(request("include=variants").await.unwrap(), pb::ListProductsRequest::default());
    }

    #[tokio::test]
    async fn reads_every_filter() {
        let id_or_name = |value| pb::IdOrName { value: Some(value) };
        let query = "q=mug&category=3&category=Home+%26+Garden&tag=blue&minPrice=5&maxPrice=19.99&inStock=true\
                     &ids=1,2&ids=3&sort=-price&limit=7&cursor=abc";
        let expected = pb::ListProductsRequest {
            q: "mug".to_owned(),
            categories: vec![
                id_or_name(id_or_name::Value::Id(3)),
                id_or_name(id_or_name::Value::Name("Home & Garden".to_owned())),
            ],
            tags: vec![id_or_name(id_or_name::Value::Name("blue".to_owned()))],
            min_price_minor: Some(500),
            max_price_minor: Some(1999),
            in_stock: Some(true),
            ids: vec![1, 2, 3],
            sort: pb::ProductSort::PriceDesc.into(),
            limit: 7,
            cursor: "abc".to_owned(),
            omit_variants: true,
        };
        assert_eq!(request(query).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn maps_every_sort() {
        let mut sorts = Vec::new();
        for name in ["relevance", "newest", "oldest", "price", "-price", "name", "-name"] {
            sorts.push(request(&format!("sort={name}")).await.unwrap().sort);
        }
        sorts.sort_unstable();
        assert_eq!(sorts, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[tokio::test]
    async fn names_the_invalid_parameter() {
        for (query, field) in [
            ("sort=cheapest", "sort"),
            ("minPrice=abc", "minPrice"),
            ("maxPrice=1.999", "maxPrice"),
            ("minPrice=-1", "minPrice"),
            ("inStock=perhaps", "inStock"),
            ("include=images", "include"),
            ("ids=1,x", "ids"),
            ("ids=", "ids"),
            ("ids=99999999999", "ids"),
            ("category=", "category"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("page=2", "page"),
            ("q=a&q=b", "q"),
        ] {
            let problem = request(query).await.unwrap_err();
            assert_eq!(problem["status"], 400, "{query}: {problem}");
            assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
        }
    }
}
