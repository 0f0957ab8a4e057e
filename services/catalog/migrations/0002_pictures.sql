-- Pictures of products that are kept in a storage.

-- What the storage of pictures holds or may hold: written before the object, and deleted after it.
create table catalog.pictures (
    key        text primary key,              -- of the object
    storage    text not null,                 -- which one has it: `local`, `s3`, `cloudinary`
    sweep_at   timestamptz,                   -- when to delete it; null as long as a product shows it
    attempts   integer not null default 0,    -- to delete it
    created_at timestamptz not null default now(),
    constraint attempts_are_counted check (attempts >= 0),
    -- From the first attempt on the object may be gone.
    constraint what_is_being_swept_is_not_shown check (attempts = 0 or sweep_at is not null)
);

create index pictures_to_sweep on catalog.pictures (storage, sweep_at) where sweep_at is not null;

-- Both are null where the image is kept elsewhere: there is only its URL.
alter table catalog.images
    add column picture       text,
    add column thumbnail_url text,
    add constraint images_picture_fkey foreign key (picture) references catalog.pictures (key),
    add constraint one_image_per_picture unique (picture),
    add constraint pictures_come_with_thumbnails check ((picture is null) = (thumbnail_url is null)),
    add constraint thumbnail_urls_have_1_to_2000_characters check (char_length(thumbnail_url) between 1 and 2000);

create or replace view catalog.shown_products as
select p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.version,
       p.archived_at is not null as archived, p.created_at, p.updated_at,
       c.id as category_id, c.name as category_name,
       (
           select coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) order by lower(t.name)), '[]')
           from catalog.product_tags pt join catalog.tags t on t.id = pt.tag_id
           where pt.product_id = p.id
       ) as tags,
       (
           select coalesce(
               json_agg(
                   json_build_object('id', i.id, 'url', i.url, 'thumbnailUrl', coalesce(i.thumbnail_url, i.url))
                   order by i.position, i.id
               ),
               '[]'
           )
           from catalog.images i
           where i.product_id = p.id
       ) as images
from catalog.products p left join catalog.categories c on c.id = p.category_id;
