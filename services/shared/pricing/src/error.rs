/// Input that has no total.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0} must not be negative")]
    Negative(&'static str),
    #[error("line {0} has a tax rate that is not in the list")]
    UnknownTaxRate(usize),
    #[error("no shipping rate applies")]
    NoShippingRate,
    #[error("the total exceeds 64 bits")]
    Overflow,
}
