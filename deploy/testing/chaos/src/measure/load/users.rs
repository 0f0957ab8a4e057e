//! The accounts that virtual users sign in with.

use std::{ops::Range, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    generator::{Load, Pace},
    virtual_user::{Account, Operation, VirtualUser},
};
use crate::{
    client::{self, ProductSet},
    cluster::{Cluster, Role},
    proxy::Upstream,
};

/// The number of products: enough that users seldom compete for one.
const PRODUCTS: usize = 50;
/// Units of each product: more than any load buys.
const STOCK: i32 = 1_000_000;
/// Concurrent registrations. Hashing a password occupies a core.
const CONCURRENCY: usize = 4;

/// Registered users that have not bought anything.
pub(crate) struct Users {
    /// Host and port of the gateway.
    authority: Arc<str>,
    accounts: Vec<Account>,
}

impl Users {
    /// Creates products and registers users.
    pub(crate) async fn register(cluster: &Cluster, count: usize) -> anyhow::Result<Self> {
        let products = ProductSet::create(cluster.url(), cluster.admin(), PRODUCTS, STOCK).await?;
        let accounts = (0..count).map(|number| {
            let products = &products;
            async move {
                let email = format!("{:x}@load.example", rand::random::<u128>());
                let password = format!("{:x}", rand::random::<u128>());
                let token = client::register(cluster.url(), products, &email, &password).await?;
                anyhow::Ok(Account {
                    number,
                    email: email.into(),
                    password: password.into(),
                    authorization: format!("Bearer {token}").into(),
                    products: products.ids(),
                })
            }
        });
        let accounts = stream::iter(accounts).buffered(CONCURRENCY).try_collect().await?;
        let authority = cluster.url().trim_start_matches("http://").into();
        Ok(Self { authority, accounts })
    }

    /// Sends requests to the gateway itself, so that its proxy takes no time. The gateway must not be replaced then.
    pub(crate) fn bypassing_proxy(mut self, cluster: &Cluster) -> Self {
        if let Some(Upstream::Tcp(address)) = cluster.proxy(Role::Gateway).upstream() {
            self.authority = address.to_string().into();
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Starts a load of the users with these numbers, as far as they exist.
    pub(crate) fn start(&self, numbers: Range<usize>, operations: &'static [Operation], pace: Pace) -> Load {
        let accounts = self.accounts.iter().skip(numbers.start).take(numbers.len());
        let users = accounts.map(|account| VirtualUser::new(&self.authority, account.clone(), operations));
        Load::start(users.collect(), pace)
    }
}
