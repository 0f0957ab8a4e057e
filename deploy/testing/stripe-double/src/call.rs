//! Recorded requests.

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Create an intent.
    Create,
    /// Confirm (pay) an intent.
    Confirm,
    /// Cancel an intent.
    Cancel,
    /// Create a refund.
    Refund,
    /// Read anything.
    Retrieve,
}

/// An authenticated request, whether it succeeded or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The kind of request.
    pub operation: Operation,
    /// The path, without the query.
    pub path: String,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `Stripe-Version` header.
    pub version: Option<String>,
}
