//! Categories and tags: names that products are grouped and found by.

use bodega_proto::catalog::v1 as pb;
use bodega_runtime::status::Violations;

use crate::text;

/// Characters of a name, at most.
const MAX_NAME: usize = 100;

/// A category or a tag.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: i32,
    pub(crate) name: String,
    /// Products of the shop that have it; archived ones do not count.
    pub(crate) product_count: i64,
}

impl From<Label> for pb::Category {
    fn from(Label { id, name, product_count }: Label) -> Self {
        Self { id, name, product_count }
    }
}

impl From<Label> for pb::Tag {
    fn from(Label { id, name, product_count }: Label) -> Self {
        Self { id, name, product_count }
    }
}

/// The name that a category or tag is to have.
///
/// # Errors
/// When it is none, naming the field `name`.
pub(crate) fn parse_name(name: &str) -> Result<String, Violations> {
    let mut violations = Violations::new();
    let name = text::line(name, MAX_NAME, "name", &mut violations);
    violations.finish()?;
    Ok(name)
}

/// A category or tag as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ref {
    Id(i32),
    /// Without regard to case.
    Name(String),
}

impl Ref {
    /// What `wanted` names; `None` when it names nothing, and when its name cannot be, which is added to the
    /// violations of `field`.
    pub(crate) fn parse(wanted: pb::IdOrName, field: &str, violations: &mut Violations) -> Option<Self> {
        match wanted.value? {
            pb::id_or_name::Value::Id(id) => Some(Self::Id(id)),
            pb::id_or_name::Value::Name(name) => {
                Some(Self::Name(text::line(&name, MAX_NAME, field, violations)))
            }
        }
    }
}
