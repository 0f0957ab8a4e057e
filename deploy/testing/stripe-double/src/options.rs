//! The settings of a double.

/// Settings of a double.
#[derive(Clone, Debug)]
pub struct Options {
    /// The secret key, `sk_test_...`.
    pub secret_key: String,
    /// The publishable key, `pk_test_...`.
    pub publishable_key: String,
    /// The secret that signs webhook events, `whsec_...`.
    pub webhook_secret: String,
    /// The id of the account, `acct_...`.
    pub account: String,
    /// The seed of random faults: with the same seed, the same requests in the same order get the same faults.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            secret_key: "sk_test_51DoubleOfTheSecretKey".to_owned(),
            publishable_key: "pk_test_51DoubleOfThePublishableKey".to_owned(),
            webhook_secret: "whsec_DoubleOfTheWebhookSecret".to_owned(),
            account: "acct_1DoubleAccount00".to_owned(),
            seed: 0,
        }
    }
}
