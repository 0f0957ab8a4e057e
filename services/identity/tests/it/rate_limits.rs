//! Rate limits, and limits of rows.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use bodega_identity::Settings;
use bodega_proto::identity::v1::{ChangePasswordRequest, DeleteUserRequest, Session, UpdateProfileRequest};
use bodega_runtime::{
    context::CallContext,
    rate_limit::{Policy, RateLimits, limits},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    image_fixtures::{png, upload},
    test_app::{PASSWORD, TestApp, eventually, id_of, registration, rejection, settings, user},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn app() -> TestApp {
    TestApp::start_with(Settings { rate_limits: RateLimits::On, ..settings() }).await
}

/// Returns the address of one of many clients.
fn address(client: usize) -> IpAddr {
    let client = u32::try_from(client).unwrap();
    IpAddr::from((0x0a00_0000 + client).to_be_bytes())
}

/// Makes a call from the address of a client.
async fn from<T>(client: usize, call: impl Future<Output = T>) -> T {
    CallContext { client_address: Some(address(client)), ..CallContext::default() }.scope(call).await
}

/// Lets time pass for all limits.
async fn pass(app: &TestApp, time: Duration) {
    let sql = "update identity.rate_limits set restored_at = restored_at - make_interval(secs => $1)";
    sqlx::query(sql).bind(time.as_secs_f64()).execute(&app.db).await.unwrap();
}

/// Returns the exceeded limit and the seconds until a retry, or `None` for any other result.
fn limited<T>(result: &Result<T, Status>) -> Option<(String, u64)> {
    let status = result.as_ref().err()?;
    let policy = Policy::of(status)?;
    assert_eq!(status.code(), Code::ResourceExhausted);
    Some((policy.limit, status.get_details_retry_info()?.retry_delay?.as_secs()))
}

async fn guess(app: &TestApp, client: usize, login: &str) -> Result<Session, Status> {
    from(client, app.login_with(login, "a wrong guess")).await
}

#[tokio::test]
async fn guesses_from_any_number_of_clients_are_evaluated_at_most_100_times_a_day() {
    let app = app().await;
    from(0, app.register("ada")).await;
    let mut evaluated = 0;
    for hour in 0..24 {
        for guess_number in 0..20 {
            let login = if guess_number % 2 == 0 { "ada" } else { "ada@example.org" };
            let result = guess(&app, 1 + 20 * hour + guess_number, login).await;
            match limited(&result) {
                Some((limit, _)) => assert_eq!(limit, "login"),
                None => evaluated += 1,
            }
        }
        from(0, app.login("ada")).await.unwrap();
        pass(&app, HOUR).await;
    }
    assert!((50..=100).contains(&evaluated), "{evaluated}");

    // A guess that happens to be right is not evaluated either; the owner has to wait on a new client.
    let mut guesses = 0;
    while limited(&guess(&app, 9999, "ada").await).is_none() {
        guesses += 1;
        assert!(guesses <= limits::LOGIN.burst, "guesses are not limited");
    }
    assert!(limited(&from(10_000, app.login("ada")).await).is_some());
    pass(&app, limits::LOGIN.interval).await;
    from(10_000, app.login("ada")).await.unwrap();
}

#[tokio::test]
async fn concurrent_guesses_are_limited_as_well() {
    let app = app().await;
    from(0, app.register("ada")).await;
    let replica = app.replica_with(Settings { rate_limits: RateLimits::On, ..settings() }).await;
    let guesses = (0..60).map(|number| {
        let app = if number % 2 == 0 { &app } else { &replica };
        guess(app, 1 + number, "ada")
    });
    let results = futures_util::future::join_all(guesses).await;
    let evaluated = results.iter().filter(|result| limited(result).is_none()).count();
    assert_eq!(evaluated, limits::LOGIN.burst as usize);
}

#[tokio::test]
async fn rate_limited_logins_are_counted_for_the_audit_log() {
    let app = app().await;
    let ada = from(0, app.register("ada")).await;
    // The client 3 has tried so many accounts that further ones are counted together.
    let others = "insert into identity.failed_logins (hour, client, account, id)
                  select date_trunc('hour', now(), 'UTC') + h * interval '1 hour', '10.0.0.3', gen_random_uuid(), gen_random_uuid()
                  from generate_series(0, 1) h, generate_series(1, 20)";
    sqlx::query(others).execute(&app.db).await.unwrap();
    let burst = i64::from(limits::LOGIN_BY_CLIENT.burst);
    for (client, login, rejected) in [(1, "ADA", 3), (2, "nobody", 2), (3, "ada", 1)] {
        for number in 0..burst + rejected {
            let result = guess(&app, client, login).await;
            assert_eq!(limited(&result).is_some(), number >= burst, "{client} {number}");
        }
    }
    let counts = async || -> Vec<(String, Option<String>, i64, i64)> {
        let sql = "select client, subject_id, sum((details ->> 'failures')::bigint)::bigint,
                          sum((details ->> 'rateLimited')::bigint)::bigint
                   from identity.audit_entries
                   where action = 'login.failed' and (client <> '10.0.0.3' or subject_id is null)
                   group by 1, 2 order by 1";
        sqlx::query_as(sql).fetch_all(&app.db).await.unwrap()
    };
    let expected = [
        ("10.0.0.1".to_owned(), Some(user(&ada).id.clone()), burst, 3),
        ("10.0.0.2".to_owned(), None, burst, 2),
        ("10.0.0.3".to_owned(), None, burst, 1),
    ];
    eventually("the counts are written", async || counts().await == expected).await;
}

#[tokio::test]
async fn a_recognized_client_is_slowed_down_by_its_own_failures_only() {
    let app = app().await;
    let ada = from(0, app.register("ada")).await;
    for client in 1..30 {
        let _ = guess(&app, client, "ada").await;
    }
    for _ in 0..limits::LOGIN_RECOGNIZED.burst {
        assert_eq!(limited(&guess(&app, 0, "ada").await), None);
        from(0, app.login("ada@example.org")).await.unwrap_or_else(|error| {
            panic!("successful logins restore their attempt: {error}");
        });
        assert_eq!(limited(&from(0, app.login("ada")).await), None);
        pass(&app, limits::LOGIN_RECOGNIZED.interval).await;
    }
    let mut guesses = 0;
    let (limit, retry_after) = loop {
        if let Some(limited) = limited(&guess(&app, 0, "ada").await) {
            break limited;
        }
        guesses += 1;
        assert!(guesses <= limits::LOGIN_RECOGNIZED.burst, "guesses are not limited");
    };
    assert_eq!((limit.as_str(), guesses), ("login_recognized", limits::LOGIN_RECOGNIZED.burst));
    assert!(retry_after <= limits::LOGIN_RECOGNIZED.interval.as_secs(), "{retry_after}");
    pass(&app, Duration::from_secs(retry_after)).await;
    from(0, app.login("ada")).await.unwrap();

    // After 30 days without a login, the client is one of many.
    let sql = "update identity.recognized_clients set last_login_at = now() - interval '30 days'";
    sqlx::query(sql).execute(&app.db).await.unwrap();
    let mut client = 30;
    while limited(&guess(&app, client, "ada").await).is_none() {
        client += 1;
        assert!(client < 200, "guesses are not limited");
    }
    assert_eq!(limited(&from(0, app.login("ada")).await).unwrap().0, "login");
    let admin = app.admin("root").await;
    let mut client = app.bearer(&admin.access_token).await;
    let request = DeleteUserRequest { id: user(&ada).id.clone() };
    client.delete_user(request).await.unwrap();
    let count = "select count(*) from identity.recognized_clients where user_id = $1";
    let count: i64 = sqlx::query_scalar(count).bind(id_of(user(&ada))).fetch_one(&app.db).await.unwrap();
    assert_eq!(count, 0, "personal data of a deleted user");
}

#[tokio::test]
async fn known_and_unknown_logins_have_the_same_limits_and_responses() {
    let app = app().await;
    from(0, app.register("ada")).await;
    let mut responses = BTreeMap::new();
    for (client, login) in [(1, "ada"), (2, "nobody"), (3, "\u{1}"), (4, "ada@example.org")] {
        let mut sequence = Vec::new();
        for _ in 0..12 {
            let result = guess(&app, client, login).await;
            let limit = limited(&result).map(|(limit, seconds)| (limit, seconds.div_ceil(60)));
            sequence.push((rejection(result).0, limit));
        }
        responses.insert(login, sequence);
    }
    let expected = &responses["nobody"];
    let evaluated = expected.iter().filter(|(code, _)| *code == Code::Unauthenticated).count();
    assert_eq!(evaluated, limits::LOGIN_BY_CLIENT.burst as usize);
    for (login, sequence) in &responses {
        assert_eq!(sequence, expected, "{login:?}");
    }
}

#[tokio::test]
async fn a_client_that_guesses_at_many_accounts_is_limited() {
    let app = app().await;
    let guesses = 3 * limits::LOGIN_CLIENT.burst;
    let mut evaluated = 0;
    for number in 0..guesses {
        let result = guess(&app, 1, &format!("user{number}")).await;
        match limited(&result) {
            Some((limit, _)) => assert_eq!(limit, "login_client"),
            None => evaluated += 1,
        }
    }
    let restored = 15; // while the test runs
    assert!((limits::LOGIN_CLIENT.burst..=limits::LOGIN_CLIENT.burst + restored).contains(&evaluated));
    let rows: i64 =
        sqlx::query_scalar("select count(*) from identity.rate_limits").fetch_one(&app.db).await.unwrap();
    assert!(rows <= i64::from(2 * evaluated + 1), "{rows} rows: rejected guesses write none");
}

#[tokio::test]
async fn wrong_current_passwords_are_limited() {
    let app = app().await;
    let ada = app.register("ada").await;
    let mut client = app.bearer(&ada.access_token).await;
    let mut change = async |current: &str| {
        let request = ChangePasswordRequest {
            current_password: current.into(),
            new_password: "another long one".into(),
        };
        client.change_password(request).await
    };
    for _ in 0..limits::CURRENT_PASSWORD.burst {
        assert_eq!(change("a wrong guess").await.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(limited(&change("a wrong guess").await).unwrap().0, "current_password");
    assert!(limited(&change(PASSWORD).await).is_some(), "the right one is not evaluated");
    pass(&app, limits::CURRENT_PASSWORD.interval).await;
    change(PASSWORD).await.unwrap();
    change("another long one").await.unwrap();
}

#[tokio::test]
async fn probing_for_emails_is_limited() {
    let app = app().await;
    app.register("bob").await;
    let ada = from(0, app.register("ada")).await;
    let mut client = app.bearer(&ada.access_token).await;
    let mut set_email = async |email: &str| {
        let request = UpdateProfileRequest { email: Some(email.to_owned()), ..Default::default() };
        from(0, client.update_profile(request)).await
    };
    for _ in 0..limits::LOGIN_CHANGE.burst {
        assert_eq!(set_email("bob@example.org").await.unwrap_err().code(), Code::AlreadyExists);
    }
    assert_eq!(limited(&set_email("bob@example.org").await).unwrap().0, "login_change");
    set_email("Ada@example.org").await.unwrap(); // no change

    // A registration shows the same.
    let mut limit = None;
    for _ in 0..=2 * limits::REGISTRATION.burst {
        let result = from(7, app.anonymous().register(registration("bob"))).await;
        limit = limited(&result);
        if limit.is_some() {
            break;
        }
    }
    assert_eq!(limit.unwrap().0, "registration");
    from(8, app.register("carol")).await;
}

#[tokio::test]
async fn an_account_has_at_most_50_sessions() {
    let app = app().await;
    let first = app.register("ada").await;
    let second = app.login("ada").await.unwrap();
    app.refresh(&first.refresh_token).await.unwrap();
    for _ in 2..limits::MAX_SESSIONS {
        app.login("ada").await.unwrap();
    }
    assert_eq!(app.active_sessions(user(&first)).await, limits::MAX_SESSIONS);
    app.profile(&second).await.unwrap();

    app.login("ada").await.unwrap();
    assert_eq!(app.active_sessions(user(&first)).await, limits::MAX_SESSIONS);
    assert!(app.profile(&second).await.is_err(), "it was not used for the longest time");
    app.profile(&first).await.unwrap();
}

#[tokio::test]
async fn the_tokens_of_a_session_are_limited_by_its_age() {
    let app = app().await;
    let mut session = app.register("ada").await;
    let tokens = async || -> i64 {
        sqlx::query_scalar("select count(*) from identity.refresh_tokens").fetch_one(&app.db).await.unwrap()
    };
    let mut issued = 0;
    let (limit, retry_after) = loop {
        // Repeated uses of one token count as well.
        let _lost = app.refresh(&session.refresh_token).await;
        match app.refresh(&session.refresh_token).await {
            Ok(next) => session = next,
            Err(status) => break limited::<()>(&Err(status)).unwrap(),
        }
        issued += 2;
        assert!(issued <= limits::REFRESH.burst, "refreshes are not limited");
    };
    assert_eq!((limit.as_str(), issued), ("refresh", limits::REFRESH.burst));
    assert!(retry_after <= limits::REFRESH.interval.as_secs() + 1, "{retry_after}");
    assert_eq!(tokens().await, i64::from(limits::REFRESH.burst) + 1);

    let sql = "update identity.sessions set created_at = created_at - make_interval(secs => $1)";
    sqlx::query(sql).bind(f64::from(u32::try_from(retry_after).unwrap())).execute(&app.db).await.unwrap();
    app.refresh(&session.refresh_token).await.unwrap();
}

/// Exhausts the part of the limits in use that is in the database.
async fn exhaust(app: &TestApp) {
    let sql = "update identity.rate_limits set restored_at = now() + interval '30 days'
               where restored_at > now() + interval '1 second'";
    sqlx::query(sql).execute(&app.db).await.unwrap();
}

#[tokio::test]
async fn sessions_of_one_account_are_limited() {
    let app = app().await;
    app.register("ada").await;
    app.register("bob").await;
    for _ in 0..=limits::SESSIONS.burst / 4 {
        app.login("ada").await.unwrap();
    }
    exhaust(&app).await;
    assert_eq!(limited(&app.login("ada").await).unwrap().0, "sessions");
    app.login("bob").await.unwrap();
}

#[tokio::test]
async fn refreshes_of_one_client_are_limited_also_with_invalid_tokens() {
    let app = app().await;
    let ada = app.register("ada").await;
    for _ in 0..limits::REFRESH_CLIENT.burst / 4 + 10 {
        assert_eq!(limited(&from(7, app.refresh("invalid")).await), None);
    }
    exhaust(&app).await;
    assert_eq!(limited(&from(7, app.refresh("invalid")).await).unwrap().0, "refresh_client");
    assert_eq!(limited(&from(7, app.refresh(&ada.refresh_token)).await).unwrap().0, "refresh_client");
    from(8, app.refresh(&ada.refresh_token)).await.unwrap();
}

#[tokio::test]
async fn the_avatars_of_an_account_are_limited() {
    let app = app().await;
    let (ada, bob) = (app.register("ada").await, app.register("bob").await);
    let limit = limits::AVATARS;
    let mut attempts = 0;
    let exceeded = loop {
        // A rejected image counts as well, since it may cost as much.
        let result = app.send_avatar(&ada, upload(b"no image")).await;
        if let Some((exceeded, _)) = limited(&result) {
            break exceeded;
        }
        assert_eq!(rejection(result).1, "unsupported_image");
        attempts += 1;
        assert!(attempts < 2 * limit.burst, "not limited");
    };
    assert_eq!(exceeded, limit.name);
    assert!((limit.burst - 1..=limit.burst + 1).contains(&attempts), "{attempts}");
    assert!(limited(&app.set_avatar(&ada, &png(8, 1)).await).is_some());
    app.set_avatar(&bob, &png(8, 1)).await.unwrap();
}
