//! The change service, for other services only: the auth layer requires the service token.

use std::pin::Pin;

use bodega_proto::catalog::v1::{
    WatchChangesRequest, WatchChangesResponse, change_service_server::ChangeService,
};
use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::changes::Changes;

pub(crate) struct ChangeApi {
    pub(crate) changes: Changes,
    /// Ends the streams.
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl ChangeService for ChangeApi {
    type WatchChangesStream = Pin<Box<dyn Stream<Item = Result<WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        request: Request<Streaming<WatchChangesRequest>>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let responses = self.changes.clone().watch(request.into_inner());
        Ok(Response::new(Box::pin(responses.take_until(self.shutdown.clone().cancelled_owned()))))
    }
}
