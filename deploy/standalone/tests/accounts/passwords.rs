//! How passwords are kept: lines 17, 23.

use serde_json::json;

use crate::harness::store::{PASSWORD, Shop};

/// [`PASSWORD`] as another system kept it: made by `crypt(3)`.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuWoXnoFB.kvA9LXp/b7nxnrLBRNz6oQK";

/// Everything the database holds of accounts, as text.
const ACCOUNTS: &str = "select string_agg(u::text, ' ') from identity.users u";

async fn hash_of(shop: &Shop, email: &str) -> String {
    let query = sqlx::query_scalar("select password_hash from identity.users where email_normalized = $1");
    query.bind(email).fetch_one(&shop.sql().await).await.unwrap()
}

/// Line 17: hashed and salted.
#[tokio::test]
async fn a_password_is_kept_as_a_salted_hash_and_never_shown() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    shop.register("grace").await;
    let hash = hash_of(&shop, "ada@shop.example").await;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash, hash_of(&shop, "grace@shop.example").await, "the same password, another salt");
    let kept: String = sqlx::query_scalar(ACCOUNTS).fetch_one(&shop.sql().await).await.unwrap();
    assert!(!kept.contains(PASSWORD));

    for person in [&ada, shop.admin()] {
        for path in ["/api/users/me", "/api/auth/sessions", "/api/users"] {
            let answer = person.get(path).await.text;
            assert!(!answer.contains("argon2") && !answer.to_lowercase().contains("password"), "{answer}");
        }
    }
}

/// Line 17: bcrypt, of accounts that were brought in; better from the first login on.
#[tokio::test]
async fn a_bcrypt_hash_brought_in_logs_in_and_is_upgraded() {
    let shop = Shop::start().await;
    let insert =
        "insert into identity.users (id, name, name_normalized, email, email_normalized, password_hash)
        values (gen_random_uuid(), 'Ada', 'ada', 'Ada@old.example', 'ada@old.example', $1)";
    sqlx::query(insert).bind(BCRYPT).execute(&shop.sql().await).await.unwrap();

    let login = async |password: &str| {
        shop.guest().post("/api/auth/login", json!({"email": "ada@old.example", "password": password})).await
    };
    login("of somebody else").await.expect_problem(401, "invalid_credentials");
    assert_eq!(hash_of(&shop, "ada@old.example").await, BCRYPT, "not by whoever does not know it");
    login(PASSWORD).await.expect(200);
    let upgraded = hash_of(&shop, "ada@old.example").await;
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    login(PASSWORD).await.expect(200);
    login("of somebody else").await.expect_problem(401, "invalid_credentials");
    assert_eq!(hash_of(&shop, "ada@old.example").await, upgraded);
}

/// Contract, `POST /api/users/me/password`.
#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_is_the_only_one() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let (elsewhere, grace) = (ada.sign_in("ada").await, shop.register("grace").await);
    let change = async |current: &str, new: &str| {
        ada.post("/api/users/me/password", json!({"currentPassword": current, "newPassword": new})).await
    };
    change("of somebody else", "tea at half past five").await.expect_refused(422, "currentPassword");
    change(PASSWORD, "short").await.expect_refused(422, "newPassword");
    change(PASSWORD, "ada@shop.example").await.expect_refused(422, "newPassword");
    elsewhere.get("/api/users/me").await.expect(200);

    change(PASSWORD, "tea at half past five").await.expect(204);
    elsewhere.get("/api/users/me").await.expect_problem(401, "session_ended");
    let refresh = json!({"refreshToken": elsewhere.session()["refreshToken"]});
    shop.guest().post("/api/auth/refresh", refresh).await.expect_problem(401, "invalid_refresh_token");
    ada.get("/api/users/me").await.expect(200);
    grace.get("/api/users/me").await.expect(200);

    let login = async |password: &str| {
        shop.guest().post("/api/auth/login", json!({"login": "ada", "password": password})).await.status
    };
    assert_eq!((login(PASSWORD).await, login("tea at half past five").await), (401, 200));
}
