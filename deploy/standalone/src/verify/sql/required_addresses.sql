-- An order that was placed while the store required an address has one, and that of a guest has a contact. Those of deleted users are
-- deleted, and the hash of the form with them.
select format('order %s: is %s, and has no %s', o.id, o.status,
    case when o.guest_id is not null and not coalesce(c.details ? 'contact', false) then 'contact' else 'shipping address' end)
from orders.orders o
left join orders.order_contacts c on c.order_id = o.id
where o.placed_at is not null and o.request_hash is not null
  and (o.requires_address and not coalesce(c.details ? 'shipping_address', false)
       or o.guest_id is not null and not coalesce(c.details ? 'contact', false))
