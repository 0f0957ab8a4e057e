//! The five processes, with a collector.

use std::net::TcpListener;

use bodega_embedded_postgres::testing::{TempDir, TestDatabase};
use bodega_stripe_double::StripeDouble;

use crate::harness::{
    payments,
    process::{self, Running},
    store::{self, Client},
};

pub(super) struct Processes {
    running: Vec<Running>,
    pub(super) guest: Client,
    _images: TempDir,
}

impl Processes {
    /// Starts the five processes with these variables, and waits until they are ready.
    pub(super) async fn start(
        database: &TestDatabase,
        stripe: &StripeDouble,
        variables: &[(&str, &str)],
    ) -> Self {
        let images = TempDir::new("traces").unwrap();
        // All five ports are bound at the same time, so that they differ.
        let listeners: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        drop(listeners);
        let names = ["identity", "catalog", "cart", "order", "gateway"];
        let start = |(name, address): (&&str, &String)| {
            let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
            command
                .args(["serve", name])
                .env("BODEGA_LISTEN", address)
                .env("BODEGA_SERVICE_TOKEN", "a_token_of_the_tests,_shared_by_all_five")
                .env("JWT_SECRET_KEY", store::JWT_SECRET_KEY)
                .env("DATABASE_URL", database.url_as(&format!("bodega_{name}")))
                .env("BODEGA_MEDIA_DIR", images.path())
                .env("BODEGA_REQUEST_TIMEOUT", "60")
                .envs(payments::variables(stripe))
                .envs(variables.iter().copied());
            for (service, address) in names.iter().zip(&addresses) {
                command.env(format!("BODEGA_{}_URL", service.to_uppercase()), format!("http://{address}"));
            }
            Running::start(&mut command)
        };
        let running = names.iter().zip(&addresses).map(start).collect();
        let url = format!("http://{}", addresses[4]);
        stripe.deliver_to(&format!("{url}{}", payments::WEBHOOK));
        let guest = Client::at(&url);
        guest.wait_for_all_services().await;
        Self { running, guest, _images: images }
    }

    /// Terminates the processes, which export their last spans, and asserts that each exits with success.
    pub(super) async fn stop(self) {
        for process in self.running {
            let status = process.terminate().await;
            assert!(status.success(), "{status}");
        }
    }
}
