//! A fake cart service: versions only increase, and each order is cleared once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use bodega_proto::cart::v1::{
    ClearOrderedRequest, ClearOrderedResponse, GetPricedSnapshotRequest, GetPricedSnapshotResponse,
    GetSnapshotRequest, GetSnapshotResponse, PricedLine, SnapshotLine,
    checkout_service_server::CheckoutService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::faults::Faults;

#[derive(Clone, Default)]
pub(crate) struct FakeCart(Arc<Inner>);

#[derive(Default)]
struct Inner {
    faults: Faults,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    carts: HashMap<Uuid, Cart>,
    /// Guests and the users into whose carts theirs were merged.
    merged: BTreeMap<Uuid, Uuid>,
    cleared: HashSet<Uuid>,
    /// What priced lines contain beside price and quantity, by product.
    details: HashMap<i32, PricedLine>,
    snapshots: usize,
    priced_snapshots: usize,
    clears: usize,
}

#[derive(Clone, Default)]
struct Cart {
    version: i64,
    lines: BTreeMap<i32, (i32, i64)>,
    /// All quantities that were ever added.
    total_added: BTreeMap<i32, i32>,
}

impl FakeCart {
    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Adds `quantity` of a product at the quoted price.
    pub(crate) fn add(&self, user: Uuid, product: i32, quantity: i32, quoted_price: i64) {
        let mut state = self.0.state.lock().unwrap();
        let cart = state.carts.entry(user).or_default();
        cart.version += 1;
        let line = cart.lines.entry(product).or_insert((0, quoted_price));
        *line = (line.0 + quantity, quoted_price);
        *cart.total_added.entry(product).or_default() += quantity;
    }

    /// Sets what priced lines of a product contain beside its price and quantity.
    pub(crate) fn describe(&self, product: i32, details: PricedLine) {
        self.0.state.lock().unwrap().details.insert(product, details);
    }

    /// Merges the cart of a guest into that of a user.
    pub(crate) fn merge(&self, guest: Uuid, user: Uuid) {
        let mut state = self.0.state.lock().unwrap();
        let Some(merged) = state.carts.remove(&guest) else { return };
        state.merged.insert(guest, user);
        let cart = state.carts.entry(user).or_default();
        cart.version += 1;
        for (product, (quantity, quoted_price)) in merged.lines {
            let line = cart.lines.entry(product).or_insert((0, quoted_price));
            *line = (line.0 + quantity, quoted_price);
            *cart.total_added.entry(product).or_default() += quantity;
        }
    }

    /// Returns the quantities in the cart by product.
    pub(crate) fn lines_of(&self, user: Uuid) -> BTreeMap<i32, i32> {
        let state = self.0.state.lock().unwrap();
        let lines = state.carts.get(&user).map(|cart| cart.lines.clone()).unwrap_or_default();
        lines.into_iter().map(|(product, (quantity, _))| (product, quantity)).collect()
    }

    /// Returns all quantities that were ever added to the cart by product.
    pub(crate) fn total_added(&self, user: Uuid) -> BTreeMap<i32, i32> {
        let state = self.0.state.lock().unwrap();
        state.carts.get(&user).map(|cart| cart.total_added.clone()).unwrap_or_default()
    }

    /// Returns the numbers of GetSnapshot and ClearOrdered calls so far.
    pub(crate) fn calls(&self) -> (usize, usize) {
        let state = self.0.state.lock().unwrap();
        (state.snapshots, state.clears)
    }

    /// Returns the number of GetPricedSnapshot calls so far.
    pub(crate) fn priced_snapshot_count(&self) -> usize {
        self.0.state.lock().unwrap().priced_snapshots
    }
}

#[tonic::async_trait]
impl CheckoutService for FakeCart {
    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let user: Uuid = request.into_inner().user_id.parse().unwrap();
        let state = self.0.state.clone();
        let result = self.0.faults.apply_next("GetSnapshot", move || {
            let mut state = state.lock().unwrap();
            state.snapshots += 1;
            let cart = state.carts.get(&user).cloned().unwrap_or_default();
            let lines = cart.lines.into_iter().map(|(product_id, (quantity, quoted_price_minor))| {
                SnapshotLine { product_id, quantity, quoted_price_minor }
            });
            let merged = state.merged.iter().filter(|(_, into)| **into == user);
            let merged_guest_ids = merged.map(|(guest, _)| guest.to_string()).collect();
            Ok(GetSnapshotResponse { version: cart.version, lines: lines.collect(), merged_guest_ids })
        });
        result.await.map(Response::new)
    }

    /// Prices are the quoted ones.
    async fn get_priced_snapshot(
        &self,
        request: Request<GetPricedSnapshotRequest>,
    ) -> Result<Response<GetPricedSnapshotResponse>, Status> {
        let user: Uuid = request.into_inner().user_id.parse().unwrap();
        let state = self.0.state.clone();
        let result = self.0.faults.apply_next("GetPricedSnapshot", move || {
            let mut state = state.lock().unwrap();
            state.priced_snapshots += 1;
            let cart = state.carts.get(&user).cloned().unwrap_or_default();
            let lines = cart.lines.into_iter().map(|(product_id, (quantity, price_minor))| {
                let details = state.details.get(&product_id).cloned().unwrap_or_default();
                PricedLine { product_id, price_minor, quantity, available: true, ..details }
            });
            let (lines, currency) = (lines.collect(), "USD".to_owned());
            Ok(GetPricedSnapshotResponse { lines, currency, version: cart.version })
        });
        result.await.map(Response::new)
    }

    async fn clear_ordered(
        &self,
        request: Request<ClearOrderedRequest>,
    ) -> Result<Response<ClearOrderedResponse>, Status> {
        let request = request.into_inner();
        let state = self.0.state.clone();
        let result = self.0.faults.apply_next("ClearOrdered", move || {
            let mut state = state.lock().unwrap();
            state.clears += 1;
            if !state.cleared.insert(request.order_id.parse().unwrap()) {
                return Ok(ClearOrderedResponse {});
            }
            let owner: Uuid = request.user_id.parse().unwrap();
            let owner = state.merged.get(&owner).copied().unwrap_or(owner);
            let cart = state.carts.entry(owner).or_default();
            cart.version += 1;
            for line in request.lines {
                if let Some((quantity, _)) = cart.lines.get_mut(&line.product_id) {
                    *quantity -= line.quantity;
                }
            }
            cart.lines.retain(|_, (quantity, _)| *quantity > 0);
            Ok(ClearOrderedResponse {})
        });
        result.await.map(Response::new)
    }
}
