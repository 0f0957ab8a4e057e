//! The orders whose carts this process has cleared lately.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// Far more than the number of orders whose deliveries are being deleted.
const CAPACITY: usize = 1024;

/// The last orders whose carts this process has cleared. Their deliveries may still be stored, but are not pending.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClearedCarts(Arc<Mutex<VecDeque<Uuid>>>);

impl ClearedCarts {
    pub(crate) fn insert(&self, order_id: Uuid) {
        let mut orders = self.orders();
        if orders.len() == CAPACITY {
            orders.pop_front();
        }
        orders.push_back(order_id);
    }

    pub(crate) fn contains(&self, order_id: Uuid) -> bool {
        self.orders().contains(&order_id)
    }

    fn orders(&self) -> MutexGuard<'_, VecDeque<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_orders() {
        let carts = ClearedCarts::default();
        let orders: Vec<_> = (0..=CAPACITY).map(|_| Uuid::now_v7()).collect();
        orders.iter().for_each(|order_id| carts.insert(*order_id));
        assert!(!carts.contains(orders[0]));
        assert!(orders[1..].iter().all(|order_id| carts.contains(*order_id)));
    }
}
