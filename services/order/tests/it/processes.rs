//! Replicas of the service that are killed or frozen at any time.

use std::{
    thread,
    time::{Duration, Instant},
};

use bodega_proto::order::v1::ListOrdersRequest;
use bodega_runtime::auth::Role;
use uuid::Uuid;

use crate::{replica::Client, test_app::TestApp};

impl TestApp {
    /// Makes a call to a process of its own that is killed after `time`. Returns the result if the call was completed
    /// before.
    pub(crate) async fn killed_after<T, F>(
        &self,
        time: Duration,
        user: Uuid,
        call: impl FnOnce(Client) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        self.killed_after_as(time, user, Role::User, call).await
    }

    /// As [`TestApp::killed_after`], with a caller of this role.
    pub(crate) async fn killed_after_as<T, F>(
        &self,
        time: Duration,
        user: Uuid,
        role: Role,
        call: impl FnOnce(Client) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let start = self.start_function();
        let process = tokio::task::spawn_blocking(move || {
            let runtime = one_thread();
            let result = runtime.block_on(async {
                let replica = start().await;
                let mut client = replica.client(user, role);
                wait_until_connected(&mut client).await;
                tokio::time::timeout(time, call(client)).await.ok()
            });
            // Stops all of its tasks.
            runtime.shutdown_background();
            result
        });
        process.await.unwrap()
    }

    /// Makes a call to a process of its own that is stopped after `time`, for the duration `frozen`. Returns the call's
    /// result if there is one.
    pub(crate) async fn frozen_after<T, F>(
        &self,
        time: Duration,
        frozen: Duration,
        user: Uuid,
        call: impl FnOnce(Client) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = self.start_function();
        let process = tokio::task::spawn_blocking(move || {
            one_thread().block_on(async {
                let replica = start().await;
                let mut client = replica.client(user, Role::User);
                wait_until_connected(&mut client).await;
                let call = tokio::spawn(call(client));
                tokio::time::sleep(time).await;
                // Stops all of its tasks.
                thread::sleep(frozen);
                let result = tokio::time::timeout(Duration::from_secs(5), call).await.ok();
                tokio::time::sleep(Duration::from_secs(1)).await; // for its other work
                replica.kill().await;
                result.map(Result::unwrap)
            })
        });
        process.await.unwrap()
    }
}

/// Waits up to a minute until the process is connected to the database.
async fn wait_until_connected(client: &mut Client) {
    let started = Instant::now();
    while let Err(error) = client.list_orders(ListOrdersRequest::default()).await {
        assert!(started.elapsed() < Duration::from_secs(60), "{error}");
    }
}

/// A process is one thread, which can be stopped.
fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
