//! `ContactService`: addresses of users, for other services.

use bodega_proto::identity::v1::{
    Contact, GetContactsRequest, GetContactsResponse, contact_service_server::ContactService,
};
use bodega_runtime::{
    database::Pool,
    status::{Violations, parse_uuid},
};
use tonic::{Request, Response, Status};

use crate::{error::Error, recovery};

const MAX_CONTACTS: usize = 100;

pub(crate) struct ContactApi {
    pub(crate) db: Pool,
}

#[tonic::async_trait]
impl ContactService for ContactApi {
    async fn get_contacts(
        &self,
        request: Request<GetContactsRequest>,
    ) -> Result<Response<GetContactsResponse>, Status> {
        let ids = &request.get_ref().user_ids;
        let mut violations = Violations::new();
        violations.require(ids.len() <= MAX_CONTACTS, "user_ids", "must be at most 100");
        violations.finish()?;
        let ids = ids.iter().map(|id| parse_uuid("user_ids", id)).collect::<Result<Vec<_>, _>>()?;
        let users = recovery::db::recipients(&self.db, &ids, &[]).await.map_err(Error::from)?;
        let contacts = users.into_iter().map(|user| Contact {
            user_id: user.id.to_string(),
            name: user.name,
            email: user.email,
            email_verified: user.verified,
        });
        Ok(Response::new(GetContactsResponse { contacts: contacts.collect() }))
    }
}
