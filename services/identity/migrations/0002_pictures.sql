-- Pictures of accounts.

-- What the storage of pictures holds or may hold: written before the object, and deleted after it.
create table identity.pictures (
    key        text primary key,              -- of the object
    storage    text not null,                 -- which one has it: `local`, `s3`, `cloudinary`
    sweep_at   timestamptz,                   -- when to delete it; null as long as an account shows it
    attempts   integer not null default 0,    -- to delete it
    created_at timestamptz not null default now(),
    constraint attempts_are_counted check (attempts >= 0),
    -- From the first attempt on the object may be gone.
    constraint what_is_being_swept_is_not_shown check (attempts = 0 or sweep_at is not null)
);

create index pictures_to_sweep on identity.pictures (storage, sweep_at) where sweep_at is not null;

alter table identity.users
    add column avatar_thumbnail_url text not null default '',
    add column avatar_picture text;   -- null too where the URL was brought in from elsewhere

update identity.users set avatar_thumbnail_url = avatar_url where avatar_url <> '';

alter table identity.users
    add constraint avatar_picture_is_known foreign key (avatar_picture) references identity.pictures (key),
    add constraint avatars_come_with_thumbnails check ((avatar_url = '') = (avatar_thumbnail_url = '')),
    add constraint avatar_pictures_are_shown check (avatar_picture is null or avatar_url <> '');

create unique index one_account_per_picture on identity.users (avatar_picture) where avatar_picture is not null;
