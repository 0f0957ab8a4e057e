-- Records, as the cart service does, that the items of these orders were removed, and increments the version of the carts, which
-- stay locked until the transaction ends. Returns the orders that were not recorded before.
with candidates as (
    -- A guest's order is one of the guest's cart, also after a user has claimed it.
    select o.id, coalesce(o.guest_id, o.user_id) as owner_id, o.created_at
    from orders.orders o
    where o.placed_at between now() - interval '89 days' and now() - interval '1 min'
      and not exists (select from cart.checkouts c where c.order_id = o.id)
      and not exists (select from orders.outbox b where b.order_id = o.id and b.kind = 'clear_cart')
), ordered as (
    select o.id, o.owner_id
    from candidates o
    -- A checkout in progress has read the current cart.
    where not exists (
        select from orders.orders p where coalesce(p.guest_id, p.user_id) = o.owner_id and p.status = 'placing'
    )
      -- If the guest's cart was merged, its lines may be those of the order, or the user's own.
      and not exists (
        select from cart.merged_guests m
        join cart.carts c on c.user_id = m.user_id
        join cart.cart_items i on i.cart_id = c.id
        join orders.order_items l on l.order_id = o.id and l.product_id = i.product_id
        where m.guest_id = o.owner_id and i.added_at < o.created_at
    )
    order by o.id
    limit 100
), recorded as (
    insert into cart.checkouts (order_id, user_id)
    select id, owner_id from ordered
    on conflict (order_id) do nothing
    returning order_id, user_id
), locked as (
    select id
    from cart.carts
    where id = any (array (
        select c.id from recorded r join cart.carts c on c.user_id = r.user_id
        union all
        -- The id of a guest is the first half of the hash.
        select c.id from recorded r join cart.carts c
            on c.guest_token_hash between uuid_send(r.user_id) and uuid_send(r.user_id) || decode(repeat('ff', 16), 'hex')
    ))
    order by id
    for update
), touched as (
    update cart.carts c
    set version = c.version + 1, updated_at = clock_timestamp()
    from locked
    where c.id = locked.id
)
select order_id::text from recorded
