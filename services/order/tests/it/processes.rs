//! Instances of the service that are killed, or frozen for a while, at a moment that they do not choose.

use std::{thread, time::Duration};

use bodega_proto::order::v1::ListOrdersRequest;
use bodega_runtime::auth::Role;
use uuid::Uuid;

use crate::shop::{Client, Shop};

impl Shop {
    /// What a process of its own answers to `call`, if it does before it is killed after this time.
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
        let start = self.starter();
        let process = tokio::task::spawn_blocking(move || {
            let runtime = one_thread();
            let answer = runtime.block_on(async {
                let replica = start().await;
                let mut client = replica.client(user, Role::User);
                // Connects to the database, however long that takes.
                while client.list_orders(ListOrdersRequest::default()).await.is_err() {}
                tokio::time::timeout(time, call(client)).await.ok()
            });
            // All that runs in it stops where it stands.
            runtime.shutdown_background();
            answer
        });
        process.await.unwrap()
    }

    /// What a process of its own answers to `call`, if it does at all: it is frozen after this time, and a while later
    /// goes on where it was.
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
        let start = self.starter();
        let process = tokio::task::spawn_blocking(move || {
            one_thread().block_on(async {
                let replica = start().await;
                let mut client = replica.client(user, Role::User);
                // Connects to the database, however long that takes.
                while client.list_orders(ListOrdersRequest::default()).await.is_err() {}
                let call = tokio::spawn(call(client));
                tokio::time::sleep(time).await;
                // All that runs in it stops where it stands.
                thread::sleep(frozen);
                let answer = tokio::time::timeout(Duration::from_secs(5), call).await.ok();
                tokio::time::sleep(Duration::from_secs(1)).await; // what else it was at
                replica.kill().await;
                answer.map(Result::unwrap)
            })
        });
        process.await.unwrap()
    }
}

/// All that a process does, on one thread that can be stopped.
fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
