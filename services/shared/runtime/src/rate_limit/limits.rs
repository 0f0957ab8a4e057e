//! All rate limits. ARCHITECTURE.md has the same table.
//!
//! The client is a network: an IPv4 address, or 64 bits of an IPv6 address.

use std::time::Duration;

use super::Limit;

const MINUTE: u64 = 60;

const fn limit(name: &'static str, burst: u32, interval_seconds: u64) -> Limit {
    Limit { name, burst, interval: Duration::from_secs(interval_seconds) }
}

/// Failed logins with one email or username, from all clients that the account does not know. Both logins of an account
/// allow less than 100 guesses a day.
pub const LOGIN: Limit = limit("login", 14, 45 * MINUTE);
/// Failed logins with one email or username from one client. Less than [`LOGIN`], so that a client that mistypes a password
/// leaves attempts to others.
pub const LOGIN_BY_CLIENT: Limit = limit("login_by_client", 7, 45 * MINUTE);
/// Failed logins of one client, with any email or username.
pub const LOGIN_CLIENT: Limit = limit("login_client", 50, 30);
/// Failed logins to one account from a client that has signed in to it within 30 days. No other limit of logins applies to it.
pub const LOGIN_RECOGNIZED: Limit = limit("login_recognized", 20, 5 * MINUTE);
/// Sessions started by one account.
pub const SESSIONS: Limit = limit("sessions", 300, MINUTE);
/// Wrong current passwords of one account: changes of the password, and other changes that require it.
pub const CURRENT_PASSWORD: Limit = limit("current_password", 10, 20 * MINUTE);
/// Registrations of one client, also those that fail because the email or username is taken.
pub const REGISTRATION: Limit = limit("registration", 300, MINUTE);
/// Changes of the email or username of one account, also those that fail because they are taken.
pub const LOGIN_CHANGE: Limit = limit("login_change", 10, 10 * MINUTE);
/// Changes of emails or usernames by one client, with any account.
pub const LOGIN_CHANGE_CLIENT: Limit = limit("login_change_client", 30, 2 * MINUTE);
/// Mails to one address that a client has asked for: password resets and verifications.
pub const MAIL: Limit = limit("mail", 3, 20 * MINUTE);
/// Mails that one client has asked for, to any address.
pub const MAIL_CLIENT: Limit = limit("mail_client", 20, 3 * MINUTE);
/// Uses of links from mails by one client, also wrong ones.
pub const MAIL_LINK_CLIENT: Limit = limit("mail_link_client", 20, MINUTE);
/// Wrong codes of the second factor of one account.
pub const SECOND_FACTOR: Limit = limit("second_factor", 5, 15 * MINUTE);
/// Refreshes of one session. With a shorter lifetime of access tokens, one more is allowed in each third of it.
pub const REFRESH: Limit = limit("refresh", 300, 5 * MINUTE);
/// Refreshes of one client, with any token.
pub const REFRESH_CLIENT: Limit = limit("refresh_client", 1000, 1);
/// Avatars uploaded by one account.
pub const AVATARS: Limit = limit("avatars", 30, 5 * MINUTE);
/// Images of products uploaded by one admin or API key, also those that are rejected. A catalog can be imported at once.
pub const PRODUCT_IMAGES: Limit = limit("product_images", 3000, 10);
/// Carts created for guests of one client.
pub const GUEST_CARTS: Limit = limit("guest_carts", 300, 30);
/// Orders placed by one account, or by the guests of one client, also those that are rejected.
pub const ORDERS: Limit = limit("orders", 300, 30);
/// Quotes with discount codes for one account, or for the guests of one client: codes can be guessed with them.
pub const DISCOUNT_CODES: Limit = limit("discount_codes", 300, 10);

/// Sessions of one account at a time; the one that was not used for the longest time ends.
pub const MAX_SESSIONS: i64 = 50;
/// Networks that one account recognizes.
pub const MAX_RECOGNIZED_CLIENTS: i64 = 50;
/// Time for which an account recognizes a client that has signed in.
pub const RECOGNIZED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * MINUTE);

/// All rate limits.
pub const ALL: &[Limit] = &[
    LOGIN,
    LOGIN_BY_CLIENT,
    LOGIN_CLIENT,
    LOGIN_RECOGNIZED,
    SESSIONS,
    CURRENT_PASSWORD,
    REGISTRATION,
    LOGIN_CHANGE,
    LOGIN_CHANGE_CLIENT,
    MAIL,
    MAIL_CLIENT,
    MAIL_LINK_CLIENT,
    SECOND_FACTOR,
    REFRESH,
    REFRESH_CLIENT,
    AVATARS,
    PRODUCT_IMAGES,
    GUEST_CARTS,
    ORDERS,
    DISCOUNT_CODES,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn both_logins_of_an_account_allow_at_most_100_guesses_a_day() {
        assert!(2 * LOGIN.max_uses(DAY) <= 100, "{}", LOGIN.max_uses(DAY));
        assert!(CURRENT_PASSWORD.max_uses(DAY) <= 100);
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = ALL.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let documentation = include_str!("../../../../../ARCHITECTURE.md");
        for limit in ALL {
            let seconds = limit.interval.as_secs();
            let interval = match seconds % MINUTE {
                0 => format!("{} min", seconds / MINUTE),
                _ => format!("{seconds} s"),
            };
            let row = format!("| `{}` | {} | {interval} |", limit.name, limit.burst);
            assert!(documentation.contains(&row), "ARCHITECTURE.md has no row {row}");
        }
    }
}
