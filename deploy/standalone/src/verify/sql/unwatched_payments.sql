-- Where money may come or go without our doing, somebody looks again: at what is on its way, at what a shopper can pay
-- at a provider, and at what an order that is over does not want any more. That is within minutes.
select format('payment %s of order %s: is %s, and nobody will look at it %s', p.id, p.order_id, p.status,
    coalesce(format('before %s', p.next_poll_at), 'again'))
from orders.payments p
join orders.orders o on o.id = p.order_id
where (p.next_poll_at is null or p.next_poll_at > now() + interval '1 h')
  and (p.status in ('processing', 'refund_pending')
    or p.status in ('requires_payment', 'failed') and not p.closed
        and (p.provider <> 'offline' and p.intent_id is not null or o.status in ('completed', 'cancelled')))
