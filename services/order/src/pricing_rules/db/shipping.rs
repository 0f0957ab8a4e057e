use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::pricing_rules::zone::{Method, Zone, ZonePlace};

/// Returns the zone with this id, or all zones in the order of their ids.
pub(crate) async fn list(db: impl PgExecutor<'_>, id: Option<i32>) -> sqlx::Result<Vec<Zone>> {
    let rows = sqlx::query!(
        r#"select z.id, z.name,
                  (
                      select coalesce(json_agg(p order by p.country, p.region), '[]')
                      from orders.shipping_zone_places p where p.zone_id = z.id
                  ) as "places!: Json<Vec<ZonePlace>>",
                  (
                      select coalesce(json_agg(json_build_object(
                                 'id', m.id, 'title', m.title, 'kind', m.kind, 'basis', m.basis,
                                 'rates', (
                                     select coalesce(json_agg(r order by r.at_least), '[]')
                                     from orders.shipping_rates r where r.method_id = m.id
                                 )
                             ) order by m.position), '[]')
                      from orders.shipping_methods m where m.zone_id = z.id
                  ) as "methods!: Json<Vec<Method>>"
           from orders.shipping_zones z
           where $1::integer is null or z.id = $1
           order by z.id"#,
        id,
    )
    .fetch_all(db)
    .await?;
    let zones = rows.into_iter().map(|row| Zone {
        id: row.id,
        name: row.name,
        places: row.places.0,
        methods: row.methods.0,
    });
    Ok(zones.collect())
}

pub(crate) async fn insert(db: &mut PgConnection, name: &str) -> sqlx::Result<i32> {
    sqlx::query_scalar!("insert into orders.shipping_zones (name) values ($1) returning id", name)
        .fetch_one(db)
        .await
}

/// Saves a zone with its places and methods. Methods without an id are inserted, those that the zone has no longer deleted.
pub(crate) async fn save(db: &mut PgConnection, zone: &Zone) -> sqlx::Result<()> {
    sqlx::query!("update orders.shipping_zones set name = $2 where id = $1", zone.id, zone.name)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from orders.shipping_zone_places where zone_id = $1", zone.id)
        .execute(&mut *db)
        .await?;
    let countries: Vec<_> = zone.places.iter().map(|place| place.country.clone()).collect();
    let regions: Vec<_> = zone.places.iter().map(|place| place.region.clone()).collect();
    sqlx::query!(
        "insert into orders.shipping_zone_places (country, region, zone_id)
         select country, region, $1 from unnest($2::text[], $3::text[]) as place (country, region)",
        zone.id,
        &countries,
        &regions,
    )
    .execute(&mut *db)
    .await?;
    let ids: Vec<_> = zone.methods.iter().map(|method| method.id).collect();
    sqlx::query!("delete from orders.shipping_methods where zone_id = $1 and id <> all($2)", zone.id, &ids)
        .execute(&mut *db)
        .await?;
    for (position, method) in (0..).zip(&zone.methods) {
        save_method(db, zone.id, position, method).await?;
    }
    Ok(())
}

async fn save_method(
    db: &mut PgConnection,
    zone_id: i32,
    position: i32,
    method: &Method,
) -> sqlx::Result<()> {
    let starts: Vec<_> = method.rates.iter().map(|rate| rate.at_least).collect();
    let prices: Vec<_> = method.rates.iter().map(|rate| rate.price_minor).collect();
    let updated = sqlx::query_scalar!(
        "update orders.shipping_methods set position = $3, title = $4, kind = $5, basis = $6
         where id = $2 and zone_id = $1
         returning id",
        zone_id,
        method.id,
        position,
        method.title,
        method.kind as _,
        method.basis as _,
    )
    .fetch_optional(&mut *db)
    .await?;
    let id = match updated {
        Some(id) => id,
        None => {
            sqlx::query_scalar!(
                "insert into orders.shipping_methods (zone_id, position, title, kind, basis)
                 values ($1, $2, $3, $4, $5)
                 returning id",
                zone_id,
                position,
                method.title,
                method.kind as _,
                method.basis as _,
            )
            .fetch_one(&mut *db)
            .await?
        }
    };
    sqlx::query!("delete from orders.shipping_rates where method_id = $1", id).execute(&mut *db).await?;
    sqlx::query!(
        "insert into orders.shipping_rates (method_id, at_least, price_minor)
         select $1, at_least, price from unnest($2::bigint[], $3::bigint[]) as rate (at_least, price)",
        id,
        &starts,
        &prices,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn delete(db: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    sqlx::query!("delete from orders.shipping_zones where id = $1", id).execute(db).await?;
    Ok(())
}
