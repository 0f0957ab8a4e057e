//! SQL of addresses.

use bodega_proto::identity::v1 as pb;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Returns the addresses of the users, each with the id of its user, in their order.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    user_ids: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, pb::Address)>> {
    let rows = sqlx::query!(
        "select user_id, name, line1, line2, city, region, postal_code, country, phone, is_default
         from identity.addresses
         where user_id = any($1)
         order by user_id, position",
        user_ids,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let address = pb::Address {
                name: row.name,
                line1: row.line1,
                line2: row.line2,
                city: row.city,
                region: row.region,
                postal_code: row.postal_code,
                country: row.country,
                phone: row.phone,
                is_default: row.is_default,
            };
            (row.user_id, address)
        })
        .collect())
}

pub(crate) async fn delete_all(db: &mut PgConnection, user_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from identity.addresses where user_id = $1", user_id).execute(db).await?;
    Ok(())
}

/// Replaces all addresses of a user.
pub(crate) async fn replace(
    db: &mut PgConnection,
    user_id: Uuid,
    addresses: &[pb::Address],
) -> sqlx::Result<()> {
    delete_all(&mut *db, user_id).await?;
    let texts = |field: fn(&pb::Address) -> &String| -> Vec<String> {
        addresses.iter().map(|address| field(address).clone()).collect()
    };
    let defaults: Vec<bool> = addresses.iter().map(|address| address.is_default).collect();
    sqlx::query!(
        "insert into identity.addresses
             (user_id, name, line1, line2, city, region, postal_code, country, phone, is_default, position)
         select $1, new.*
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::boolean[]) with ordinality as new",
        user_id,
        &texts(|address| &address.name),
        &texts(|address| &address.line1),
        &texts(|address| &address.line2),
        &texts(|address| &address.city),
        &texts(|address| &address.region),
        &texts(|address| &address.postal_code),
        &texts(|address| &address.country),
        &texts(|address| &address.phone),
        &defaults,
    )
    .execute(db)
    .await?;
    Ok(())
}
