-- Guests whose carts were merged into those of users, and deleted. A guest's order that was in progress is cleared from the user's
-- cart. The cleanup deletes a row when no order of the guest can have to be cleared any more.
create table cart.merged_guests (
    guest_id  uuid primary key,        -- the first half of the hash of the guest's token
    user_id   uuid not null,
    merged_at timestamptz not null default now()
);
create index merged_guests_by_user on cart.merged_guests (user_id);
create index merged_guests_by_age on cart.merged_guests (merged_at);
