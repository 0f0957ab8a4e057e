//! The names of categories and tags, and how requests refer to them.

use bodega_proto::catalog::v1 as pb;
use bodega_runtime::status::Violations;

use crate::{error::Error, text};

const MAX_NAME_CHARS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Category,
    Tag,
}

/// The actions of audit events.
pub(crate) struct Actions {
    pub(crate) created: &'static str,
    pub(crate) updated: &'static str,
    pub(crate) deleted: &'static str,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Tag => "tag",
        }
    }

    pub(crate) fn actions(self) -> Actions {
        match self {
            Self::Category => Actions {
                created: "category.created",
                updated: "category.updated",
                deleted: "category.deleted",
            },
            Self::Tag => Actions { created: "tag.created", updated: "tag.updated", deleted: "tag.deleted" },
        }
    }

    pub(crate) fn not_found(self) -> Error {
        match self {
            Self::Category => Error::CategoryNotFound,
            Self::Tag => Error::TagNotFound,
        }
    }
}

/// Validates and normalizes the name of a category or tag.
///
/// # Errors
/// A violation of the field `name`.
pub(crate) fn parse_name(name: &str) -> Result<String, Violations> {
    let mut violations = Violations::new();
    let name = text::single_line(name, MAX_NAME_CHARS, "name", &mut violations);
    violations.finish()?;
    Ok(name)
}

/// A reference to a category or tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdOrName {
    Id(i32),
    /// Case-insensitive.
    Name(String),
}

impl IdOrName {
    /// Returns `None` if the message has neither an id nor a name. Violations are added under `field`.
    pub(crate) fn parse(message: pb::IdOrName, field: &str, violations: &mut Violations) -> Option<Self> {
        match message.value? {
            pb::id_or_name::Value::Id(id) => Some(Self::Id(id)),
            pb::id_or_name::Value::Name(name) => {
                Some(Self::Name(text::single_line(&name, MAX_NAME_CHARS, field, violations)))
            }
        }
    }
}
