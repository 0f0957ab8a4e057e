//! A fake catalog service: reserves all lines or none, once per order, and nothing after a release.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use bodega_proto::catalog::v1::{
    InsufficientStock, InsufficientStockLine, ReleaseRequest, ReleaseResponse, ReserveRequest,
    ReserveResponse, Reserved, ReservedLine, ReturnUnitsRequest, ReturnUnitsResponse,
    reserve_response::Outcome, stock_service_server::StockService,
};
use bodega_runtime::status;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::faults::Faults;

#[derive(Clone, Default)]
pub(crate) struct FakeCatalog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    faults: Faults,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    products: BTreeMap<i32, Product>,
    reservations: HashMap<Uuid, Reservation>,
    reserves: usize,
    releases: usize,
    release_count: HashMap<Uuid, usize>,
    returns: HashSet<Uuid>,
    /// Returned units by order and product.
    returned: HashMap<(Uuid, i32), i32>,
    /// Units by product that were returned and not added back to the stock.
    discarded: HashMap<i32, i32>,
}

struct Product {
    /// What reserved lines contain beside the fields below.
    details: ReservedLine,
    name: String,
    price_minor: i64,
    stock: i32,
    /// All units that were ever added.
    total_added: i32,
    /// Grows with each reservation.
    version: i64,
}

enum Reservation {
    Held(Reserved),
    Released,
}

impl FakeCatalog {
    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Adds units of a product, at this price.
    pub(crate) fn add_stock(&self, id: i32, name: &str, price_minor: i64, units: i32) {
        let mut state = self.0.state.lock().unwrap();
        let details = ReservedLine::default();
        let new =
            Product { details, name: name.to_owned(), price_minor, stock: 0, total_added: 0, version: 1 };
        let product = state.products.entry(id).or_insert(new);
        product.price_minor = price_minor;
        product.stock += units;
        product.total_added += units;
    }

    /// Sets what reserved lines of a product contain beside its name, price and units.
    pub(crate) fn describe(&self, id: i32, details: ReservedLine) {
        self.0.state.lock().unwrap().products.get_mut(&id).unwrap().details = details;
    }

    /// Returns the number of units that can be reserved.
    pub(crate) fn available(&self, id: i32) -> i32 {
        self.0.state.lock().unwrap().products[&id].stock
    }

    /// Returns the orders with a reservation.
    pub(crate) fn reserved_orders(&self) -> Vec<Uuid> {
        let state = self.0.state.lock().unwrap();
        let held = state.reservations.iter().filter(|(_, held)| matches!(held, Reservation::Held(_)));
        let mut reserved_orders: Vec<_> = held.map(|(id, _)| *id).collect();
        reserved_orders.sort();
        reserved_orders
    }

    /// Returns how often an order's stock was released.
    pub(crate) fn release_count(&self, order: Uuid) -> usize {
        self.0.state.lock().unwrap().release_count.get(&order).copied().unwrap_or_default()
    }

    /// Returns the numbers of Reserve and Release calls so far.
    pub(crate) fn calls(&self) -> (usize, usize) {
        let state = self.0.state.lock().unwrap();
        (state.reserves, state.releases)
    }

    /// Returns the number of returns so far.
    pub(crate) fn return_count(&self) -> usize {
        self.0.state.lock().unwrap().returns.len()
    }

    /// Checks that units in stock, reserved units and those that were not added back after their return add up to all that were
    /// added, and that no stock is negative.
    pub(crate) fn assert_balanced(&self) {
        let state = self.0.state.lock().unwrap();
        for (id, product) in &state.products {
            let held = state.reservations.iter().map(|(order, reservation)| match reservation {
                Reservation::Held(reserved) => {
                    let lines = reserved.lines.iter().filter(|line| line.product_id == *id);
                    lines.map(|line| line.quantity - state.returned_units(*order, *id)).sum()
                }
                Reservation::Released => 0,
            });
            let discarded = state.discarded.get(id).copied().unwrap_or_default();
            let units = product.stock + held.sum::<i32>() + discarded;
            assert_eq!(units, product.total_added, "units of product {id}");
            assert!(product.stock >= 0, "stock of product {id}");
        }
    }
}

impl State {
    fn reserve(&mut self, request: &ReserveRequest) -> Result<ReserveResponse, Status> {
        self.reserves += 1;
        let order: Uuid = request.order_id.parse().unwrap();
        match self.reservations.get(&order) {
            Some(Reservation::Held(reserved)) => {
                let mut reserved = reserved.clone();
                reserved.lines.iter_mut().for_each(|line| line.version = None);
                return Ok(ReserveResponse { outcome: Some(Outcome::Reserved(reserved)) });
            }
            Some(Reservation::Released) => {
                return Err(status::rejected(Code::FailedPrecondition, "reservation_released", "released"));
            }
            None => {}
        }
        let short: Vec<_> = request
            .lines
            .iter()
            .filter_map(|line| {
                let product = self.products.get(&line.product_id);
                let left = product.map_or(0, |product| product.stock);
                (left < line.quantity).then(|| InsufficientStockLine {
                    product_id: line.product_id,
                    name: product.map(|product| product.name.clone()).unwrap_or_default(),
                    requested: line.quantity,
                    available: left,
                })
            })
            .collect();
        if !short.is_empty() {
            return Ok(ReserveResponse {
                outcome: Some(Outcome::InsufficientStock(InsufficientStock { lines: short })),
            });
        }
        let lines = request.lines.iter().map(|line| {
            let product = self.products.get_mut(&line.product_id).unwrap();
            product.stock -= line.quantity;
            product.version += 1;
            ReservedLine {
                product_id: line.product_id,
                name: product.name.clone(),
                price_minor: product.price_minor,
                quantity: line.quantity,
                version: Some(product.version),
                ..product.details.clone()
            }
        });
        let reserved = Reserved { lines: lines.collect(), currency: "USD".to_owned() };
        self.reservations.insert(order, Reservation::Held(reserved.clone()));
        Ok(ReserveResponse { outcome: Some(Outcome::Reserved(reserved)) })
    }

    fn release(&mut self, request: &ReleaseRequest) {
        self.releases += 1;
        let order: Uuid = request.order_id.parse().unwrap();
        if let Some(Reservation::Held(reserved)) = self.reservations.insert(order, Reservation::Released) {
            *self.release_count.entry(order).or_default() += 1;
            for line in reserved.lines {
                let left = line.quantity - self.returned_units(order, line.product_id);
                self.products.get_mut(&line.product_id).unwrap().stock += left;
            }
        }
    }

    fn returned_units(&self, order: Uuid, product: i32) -> i32 {
        self.returned.get(&(order, product)).copied().unwrap_or_default()
    }

    fn return_units(&mut self, request: &ReturnUnitsRequest) {
        let order: Uuid = request.order_id.parse().unwrap();
        let Some(Reservation::Held(reserved)) = self.reservations.get(&order) else { return };
        if !self.returns.insert(request.return_id.parse().unwrap()) {
            return;
        }
        for line in &request.lines {
            let units = self.returned.entry((order, line.product_id)).or_default();
            *units += line.quantity;
            let reserved = reserved.lines.iter().find(|reserved| reserved.product_id == line.product_id);
            assert!(*units <= reserved.unwrap().quantity, "more units are returned than reserved");
            if request.restock {
                self.products.get_mut(&line.product_id).unwrap().stock += line.quantity;
            } else {
                *self.discarded.entry(line.product_id).or_default() += line.quantity;
            }
        }
    }
}

#[tonic::async_trait]
impl StockService for FakeCatalog {
    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveResponse>, Status> {
        let (request, state) = (request.into_inner(), self.0.state.clone());
        let result = self.0.faults.apply_next("Reserve", move || state.lock().unwrap().reserve(&request));
        result.await.map(Response::new)
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let (request, state) = (request.into_inner(), self.0.state.clone());
        let result = self.0.faults.apply_next("Release", move || {
            state.lock().unwrap().release(&request);
            Ok(ReleaseResponse {})
        });
        result.await.map(Response::new)
    }

    async fn return_units(
        &self,
        request: Request<ReturnUnitsRequest>,
    ) -> Result<Response<ReturnUnitsResponse>, Status> {
        let (request, state) = (request.into_inner(), self.0.state.clone());
        let result = self.0.faults.apply_next("ReturnUnits", move || {
            state.lock().unwrap().return_units(&request);
            Ok(ReturnUnitsResponse {})
        });
        result.await.map(Response::new)
    }
}
