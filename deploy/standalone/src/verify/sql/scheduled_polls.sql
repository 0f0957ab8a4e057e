-- A payment whose state can change at the provider is polled within the hour: payments in progress, payments that a customer can
-- still complete, and open payments of ended orders. Payments that a person reviews are not polled.
select format('payment %s of order %s: is %s, and has no poll %s', p.id, p.order_id, p.status,
    coalesce(format('before %s', p.next_poll_at), 'scheduled'))
from orders.payments p
join orders.orders o on o.id = p.order_id
where (p.next_poll_at is null or p.next_poll_at > now() + interval '1 h')
  and not exists (select from orders.payment_reviews r where r.payment_id = p.id and r.resolved_at is null)
  and (p.status in ('processing', 'refund_pending')
    or p.status in ('requires_payment', 'failed') and not p.closed
        and (p.provider <> 'offline' and p.intent_id is not null or o.status in ('completed', 'cancelled')))
