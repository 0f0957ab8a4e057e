//! `ErasureService`: deleted users, for the services that have data about them.

use bodega_proto::identity::v1::{
    BatchGetDeletedUsersRequest, BatchGetDeletedUsersResponse, erasure_service_server::ErasureService,
};
use bodega_runtime::{
    database::Pool,
    status::{Violations, parse_uuid},
};
use tonic::{Request, Response, Status};

use super::to_strings;
use crate::{error::Error, users};

const MAX_USERS: usize = 1_000;

pub(crate) struct ErasureApi(pub(crate) Pool);

#[tonic::async_trait]
impl ErasureService for ErasureApi {
    async fn batch_get_deleted_users(
        &self,
        request: Request<BatchGetDeletedUsersRequest>,
    ) -> Result<Response<BatchGetDeletedUsersResponse>, Status> {
        let ids = request.into_inner().user_ids;
        let mut violations = Violations::new();
        violations.require(
            ids.len() <= MAX_USERS,
            "user_ids",
            format!("must have at most {MAX_USERS} entries"),
        );
        violations.finish()?;
        let ids = ids.iter().map(|id| parse_uuid("user_ids", id)).collect::<Result<Vec<_>, _>>()?;
        let deleted = users::db::find_deleted(&self.0, &ids).await.map_err(Error::from)?;
        Ok(Response::new(BatchGetDeletedUsersResponse { user_ids: to_strings(deleted) }))
    }
}
