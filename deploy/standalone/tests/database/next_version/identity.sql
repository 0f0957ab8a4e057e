-- A made-up migration of the next version: what an expanding migration may do.
alter table identity.users add column nickname text;
alter table identity.sessions add column device text not null default '';
alter table identity.refresh_tokens add column issued_at timestamptz default now();
create index users_by_nickname on identity.users (nickname) where nickname is not null;
create table identity.passkeys (
    id      bigint generated always as identity primary key,
    user_id uuid not null references identity.users (id)
);
