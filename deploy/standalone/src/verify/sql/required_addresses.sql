-- An order that was placed while the store required an address has one. That of a deleted user is deleted, and the hash of the form
-- with it.
select format('order %s: is %s, and has no shipping address', o.id, o.status)
from orders.orders o
left join orders.order_contacts c on c.order_id = o.id
where o.placed_at is not null and o.requires_address and o.request_hash is not null
  and not coalesce(c.details ? 'shipping_address', false)
