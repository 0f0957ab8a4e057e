//! A fake of identity's `ContactService` and `ErasureService`.

use std::sync::{Arc, Mutex};

use bodega_proto::identity::v1::{
    BatchGetDeletedUsersRequest, BatchGetDeletedUsersResponse, Contact, GetContactsRequest,
    GetContactsResponse, contact_service_server::ContactService, erasure_service_server::ErasureService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Every user has an address, which is confirmed unless a test says otherwise.
#[derive(Clone, Default)]
pub(crate) struct FakeContacts {
    unverified: Arc<Mutex<Vec<Uuid>>>,
    deleted: Arc<Mutex<Vec<Uuid>>>,
}

impl FakeContacts {
    pub(crate) fn set_unverified(&self, user: Uuid) {
        self.unverified.lock().unwrap().push(user);
    }

    pub(crate) fn delete(&self, user: Uuid) {
        self.deleted.lock().unwrap().push(user);
    }

    pub(crate) fn verify_all(&self) {
        self.unverified.lock().unwrap().clear();
    }
}

/// The address of a user.
pub(crate) fn address(user: Uuid) -> String {
    format!("{user}@shop.example")
}

#[tonic::async_trait]
impl ContactService for FakeContacts {
    async fn get_contacts(
        &self,
        request: Request<GetContactsRequest>,
    ) -> Result<Response<GetContactsResponse>, Status> {
        let unverified = self.unverified.lock().unwrap().clone();
        let contacts = request.into_inner().user_ids.into_iter().map(|user_id| {
            let user: Uuid = user_id.parse().unwrap();
            let email_verified = !unverified.contains(&user);
            Contact { user_id, name: "Ada".into(), email: address(user), email_verified }
        });
        Ok(Response::new(GetContactsResponse { contacts: contacts.collect() }))
    }
}

#[tonic::async_trait]
impl ErasureService for FakeContacts {
    async fn batch_get_deleted_users(
        &self,
        request: Request<BatchGetDeletedUsersRequest>,
    ) -> Result<Response<BatchGetDeletedUsersResponse>, Status> {
        let deleted: Vec<_> = self.deleted.lock().unwrap().iter().map(Uuid::to_string).collect();
        let mut user_ids = request.into_inner().user_ids;
        user_ids.retain(|id| deleted.contains(id));
        Ok(Response::new(BatchGetDeletedUsersResponse { user_ids }))
    }
}
