//! What a product is to be: requests to make or change one, checked.

use bodega_proto::catalog::v1::{CreateProductRequest, UpdateProductRequest};
use bodega_runtime::{money::Currency, status::Violations};

use crate::{label::Ref, text};

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 10_000;
const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
const MAX_STOCK: i32 = 1_000_000_000;
const MAX_TAGS: usize = 50;
const MAX_URL: usize = 2_000;

/// A product to make.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price_minor: i64,
    pub(crate) stock: i32,
    pub(crate) category: Option<Ref>,
    /// None twice.
    pub(crate) tag_ids: Vec<i32>,
    pub(crate) image_url: Option<String>,
}

impl Draft {
    /// The product that is asked for, in a shop of this currency.
    ///
    /// # Errors
    /// Names every field that cannot be.
    pub(crate) fn parse(request: CreateProductRequest, currency: Currency) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let found = &mut violations;
        if !request.currency.is_empty() {
            check_currency(&request.currency, currency, found);
        }
        check_price(request.price_minor, found);
        check_stock(request.stock, found);
        let draft = Self {
            name: text::line(&request.name, MAX_NAME, "name", found),
            description: text::block(&request.description, MAX_DESCRIPTION, "description", found),
            price_minor: request.price_minor,
            stock: request.stock,
            category: request.category.and_then(|category| Ref::parse(category, "category", found)),
            tag_ids: parse_tag_ids(request.tag_ids, found),
            image_url: parse_image_url(request.image_url, found),
        };
        violations.finish()?;
        Ok(draft)
    }
}

/// Changes to a product; `None` is no change.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) price_minor: Option<i64>,
    /// Units there are now, whatever there were.
    pub(crate) stock: Option<i32>,
    /// `Some(None)`: none any more.
    pub(crate) category: Option<Option<Ref>>,
    /// All there are now; none twice.
    pub(crate) tag_ids: Option<Vec<i32>>,
    /// The picture to show; `Some(None)`: without the one it shows now.
    pub(crate) image_url: Option<Option<String>>,
}

impl Changes {
    /// The changes that are asked for, in a shop of this currency.
    ///
    /// # Errors
    /// Names every field that cannot be.
    pub(crate) fn parse(request: UpdateProductRequest, currency: Currency) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let found = &mut violations;
        if let Some(wanted) = &request.currency {
            check_currency(wanted, currency, found);
        }
        if let Some(price_minor) = request.price_minor {
            check_price(price_minor, found);
        }
        if let Some(stock) = request.stock {
            check_stock(stock, found);
        }
        let description = request.description;
        let changes = Self {
            name: request.name.map(|name| text::line(&name, MAX_NAME, "name", found)),
            description: description.map(|text| text::block(&text, MAX_DESCRIPTION, "description", found)),
            price_minor: request.price_minor,
            stock: request.stock,
            category: request.category.map(|category| Ref::parse(category, "category", found)),
            tag_ids: request.tag_ids.map(|tags| parse_tag_ids(tags.ids, found)),
            image_url: request.image_url.map(|url| parse_image_url(url, found)),
        };
        violations.finish()?;
        Ok(changes)
    }
}

fn check_currency(wanted: &str, currency: Currency, violations: &mut Violations) {
    violations.require(
        wanted == currency.code(),
        "currency",
        format!("must be {currency}, as all prices are"),
    );
}

fn check_price(price_minor: i64, violations: &mut Violations) {
    let message = format!("must be 0 to {MAX_PRICE_MINOR} minor units");
    violations.require((0..=MAX_PRICE_MINOR).contains(&price_minor), "price_minor", message);
}

fn check_stock(stock: i32, violations: &mut Violations) {
    violations.require((0..=MAX_STOCK).contains(&stock), "stock", format!("must be 0 to {MAX_STOCK}"));
}

fn parse_tag_ids(mut tag_ids: Vec<i32>, violations: &mut Violations) -> Vec<i32> {
    violations.require(tag_ids.len() <= MAX_TAGS, "tag_ids", format!("must be at most {MAX_TAGS}"));
    tag_ids.sort_unstable();
    tag_ids.dedup();
    tag_ids
}

fn parse_image_url(url: String, violations: &mut Violations) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    violations.require(
        url.chars().count() <= MAX_URL,
        "image_url",
        format!("must have at most {MAX_URL} characters"),
    );
    violations.require(
        is_image_url(&url),
        "image_url",
        "must be an http or https URL, or a path such as /a.png",
    );
    Some(url)
}

/// Whether a browser would take it for an address of http or https, or for a path on this host.
fn is_image_url(url: &str) -> bool {
    // Browsers read a backslash as a slash, so `/\host` would be another host.
    if url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return false;
    }
    if url.starts_with('/') {
        return !url.starts_with("//"); // the host of whatever follows
    }
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && !host.is_empty()
        && !host.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_on_the_web_or_on_this_host() {
        for url in
            ["/media/a.png", "https://example.com/a.png?x=1", "HTTP://example.com", "http://[::1]:80/é.png"]
        {
            assert!(is_image_url(url), "{url}");
        }
        let refused = [
            "a.png",
            "//example.com/a.png",
            "/\\example.com",
            "ftp://example.com/a",
            "javascript:alert(1)",
            "data:image/png;base64,",
            "http://",
            "https:///a.png",
            "http://:80/",
            "https://example.com/a b",
            "/a\nb",
            "http:/example.com",
            "http://user@/a",
        ];
        for url in refused {
            assert!(!is_image_url(url), "{url}");
        }
    }
}
