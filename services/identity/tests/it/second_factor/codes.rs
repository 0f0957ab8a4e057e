//! Codes and recovery codes: each is accepted once, and wrong ones are limited and counted.

use std::{net::IpAddr, time::Duration};

use bodega_identity::Settings;
use bodega_proto::identity::v1::DisableSecondFactorRequest;
use bodega_runtime::{
    context::CallContext,
    rate_limit::{RateLimits, limits},
};
use tonic::Code;

use super::{challenge, complete, enable, invalid_code, verify};
use crate::{
    test_app::{TestApp, eventually, rejection, settings, user},
    totp::Authenticator,
};

#[tokio::test]
async fn a_code_and_a_challenge_work_once() {
    let app = TestApp::start().await;
    let (authenticator, ..) = enable(&app, &app.register("ada").await).await;
    let token = challenge(&app, "ada").await;
    assert_eq!(
        rejection(complete(&app, &token, &authenticator.code(0)).await),
        invalid_code(),
        "used to confirm"
    );
    complete(&app, &token, &authenticator.code(1)).await.unwrap();

    let again = challenge(&app, "ada").await;
    assert_eq!(rejection(complete(&app, &again, &authenticator.code(1)).await), invalid_code());
    let invalid_token = (Code::Unauthenticated, "invalid_second_factor_token".to_owned());
    assert_eq!(rejection(complete(&app, &token, &authenticator.code(1)).await), invalid_token);
    assert_eq!(rejection(complete(&app, "unknown", &authenticator.code(1)).await), invalid_token);
}

#[tokio::test]
async fn a_code_is_accepted_once_by_concurrent_logins() {
    let app = TestApp::start().await;
    let (authenticator, ..) = enable(&app, &app.register("ada").await).await;
    let (one, other) = (challenge(&app, "ada").await, challenge(&app, "ada").await);
    let code = authenticator.code(1);
    let (one, other) = tokio::join!(complete(&app, &one, &code), complete(&app, &other, &code));
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
}

#[tokio::test]
async fn a_challenge_ends_with_its_time_and_with_a_new_password() {
    let app = TestApp::start().await;
    let (authenticator, session, _) = enable(&app, &app.register("ada").await).await;
    let invalid_token = (Code::Unauthenticated, "invalid_second_factor_token".to_owned());
    let expired = challenge(&app, "ada").await;
    let expire = "update identity.login_challenges set expires_at = now()";
    sqlx::query(expire).execute(&app.db).await.unwrap();
    assert_eq!(rejection(complete(&app, &expired, &authenticator.code(1)).await), invalid_token);

    let token = challenge(&app, "ada").await;
    app.change_password(&session, "another horse battery").await.unwrap();
    assert_eq!(rejection(complete(&app, &token, &authenticator.code(1)).await), invalid_token);
}

#[tokio::test]
async fn recovery_codes_work_once_each() {
    let app = TestApp::start().await;
    let (_, _, codes) = enable(&app, &app.register("ada").await).await;
    assert_eq!(codes.len(), 10);
    let token = challenge(&app, "ada").await;
    complete(&app, &token, &codes[0].to_lowercase().replace('-', " ")).await.unwrap();
    let token = challenge(&app, "ada").await;
    assert_eq!(rejection(complete(&app, &token, &codes[0]).await), invalid_code());
    complete(&app, &token, &codes[1]).await.unwrap();
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select hash from identity.recovery_codes").fetch_all(&app.db).await.unwrap();
    assert_eq!(stored.len(), 8);
    assert!(stored.iter().all(|hash| hash.len() == 32 && !codes.iter().any(|code| code.as_bytes() == hash)));
}

/// Returns a code that is valid neither now nor within minutes. Earlier ones than the one that was confirmed are not valid either.
fn wrong_code(authenticator: &Authenticator) -> String {
    let coming: Vec<_> = (0..20).map(|steps| authenticator.code(steps)).collect();
    (0..).map(|number| format!("{number:06}")).find(|code| !coming.contains(code)).unwrap()
}

/// Makes a call from an address.
async fn from<T>(address: [u8; 4], call: impl Future<Output = T>) -> T {
    let client_address = Some(IpAddr::from(address));
    CallContext { client_address, ..CallContext::default() }.scope(call).await
}

const HOME: [u8; 4] = [10, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [10, 0, 0, 2];

#[tokio::test]
async fn wrong_codes_are_limited() {
    let app = TestApp::start_with(Settings { rate_limits: RateLimits::On, ..settings() }).await;
    let (authenticator, _, codes) = enable(&app, &from(HOME, app.register("ada")).await).await;
    let wrong = wrong_code(&authenticator);
    let limited = (Code::ResourceExhausted, "rate_limited".to_owned());
    let token = from(ELSEWHERE, challenge(&app, "ada")).await;
    for attempt in 0..limits::SECOND_FACTOR.burst {
        let code = if attempt % 2 == 0 { &wrong } else { "0000-0000-0000-0000" };
        assert_eq!(
            rejection(from(ELSEWHERE, complete(&app, &token, code)).await),
            invalid_code(),
            "{attempt}"
        );
    }
    // The right one is not verified either, with any challenge and from any other client.
    let right = authenticator.code(1);
    assert_eq!(rejection(from(ELSEWHERE, complete(&app, &token, &right)).await), limited);
    assert_eq!(rejection(from(ELSEWHERE, complete(&app, &token, &codes[0])).await), limited);
    let token = from([10, 0, 0, 3], challenge(&app, "ada")).await;
    assert_eq!(rejection(from([10, 0, 0, 3], complete(&app, &token, &right)).await), limited);

    let token = from(HOME, challenge(&app, "ada")).await;
    let session = from(HOME, complete(&app, &token, &right)).await.unwrap();
    let code = |code: &str| DisableSecondFactorRequest { code: code.into(), user_agent: String::new() };
    let mut client = app.bearer(&session.access_token).await;
    for _ in 0..limits::SECOND_FACTOR.burst - 1 {
        assert_eq!(rejection(from(HOME, client.disable_second_factor(code(&wrong))).await), invalid_code());
    }
    assert_eq!(rejection(from(HOME, verify(&app, &session, &wrong)).await), invalid_code());
    assert_eq!(rejection(from(HOME, verify(&app, &session, &codes[0])).await), limited);
    assert_eq!(rejection(from(HOME, client.disable_second_factor(code(&codes[0]))).await), limited);

    let pass = "update identity.rate_limits set restored_at = restored_at - make_interval(secs => $1)";
    let interval = limits::SECOND_FACTOR.interval + Duration::from_secs(1);
    sqlx::query(pass).bind(interval.as_secs_f64()).execute(&app.db).await.unwrap();
    from(HOME, verify(&app, &session, &codes[0])).await.unwrap();
}

#[tokio::test]
async fn wrong_codes_of_logins_are_counted_for_the_audit_log() {
    let app = TestApp::start_with(Settings { rate_limits: RateLimits::On, ..settings() }).await;
    let (authenticator, session, _) = enable(&app, &from(HOME, app.register("ada")).await).await;
    let wrong = wrong_code(&authenticator);
    let token = from(ELSEWHERE, challenge(&app, "ada")).await;
    for _ in 0..limits::SECOND_FACTOR.burst + 2 {
        from(ELSEWHERE, complete(&app, &token, &wrong)).await.unwrap_err();
    }
    let counts = async || -> Option<(String, i32, i32)> {
        let sql = "select client, (details ->> 'failures')::integer, (details ->> 'rateLimited')::integer
                   from identity.audit_entries where action = 'login.failed' and subject_id = $1";
        sqlx::query_as(sql).bind(&user(&session).id).fetch_optional(&app.db).await.unwrap()
    };
    let expected = ("10.0.0.2".to_owned(), 5, 2);
    eventually("the counts are written", async || counts().await.as_ref() == Some(&expected)).await;
}
