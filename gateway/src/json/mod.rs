//! JSON types that several resources share.

mod file;
mod id_or_name;
mod money;
mod object;
mod page;
mod percentage;
mod provided;
mod timestamp;

pub(crate) use self::{
    file::file_schema,
    id_or_name::{IdOrName, ids_or_names},
    money::{Amount, AmountInput},
    object::Object,
    page::Page,
    percentage::{Percentage, PercentageInput},
    provided::{partial_schema, provided, required},
    timestamp::Timestamp,
};

/// `None` for the empty text that stands for an absent value in protobuf.
pub(crate) fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
