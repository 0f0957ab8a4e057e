-- Records, as the cart service does, that the items of these orders were removed, and increments the version of the carts, which
-- stay locked until the transaction ends. Returns the orders that were not recorded before.
with ordered as (
    select o.id, o.user_id
    from orders.orders o
    where o.placed_at between now() - interval '89 days' and now() - interval '1 min'
      and not exists (select from cart.checkouts c where c.order_id = o.id)
      and not exists (select from orders.outbox b where b.order_id = o.id and b.kind = 'clear_cart')
      -- A checkout in progress has read the current cart.
      and not exists (select from orders.orders p where p.user_id = o.user_id and p.status = 'placing')
    order by o.id
    limit 100
), recorded as (
    insert into cart.checkouts (order_id, user_id)
    select id, user_id from ordered
    on conflict (order_id) do nothing
    returning order_id, user_id
), locked as (
    select id from cart.carts where user_id in (select user_id from recorded) order by id for update
), touched as (
    update cart.carts c
    set version = c.version + 1, updated_at = clock_timestamp()
    from locked
    where c.id = locked.id
)
select order_id::text from recorded
