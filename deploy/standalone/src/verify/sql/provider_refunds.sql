-- What the provider reports as refunded of a completed payment is recorded, and contains what has succeeded; or the provider is
-- asked for its refunds within a minute. If it was asked for about an hour, it does not help.
select format('payment %s of order %s: %s reports %s refunded, recorded are %s, of which %s have succeeded', p.id, p.order_id,
    p.provider, p.refunded_minor, p.refunds_minor, coalesce(f.amount_minor, 0))
from orders.payments p
left join (
    select payment_id, sum(amount_minor) as amount_minor from orders.refunds where status = 'succeeded' group by payment_id
) f on f.payment_id = p.id
where p.status = 'completed'
  and (p.refunded_minor < f.amount_minor
    or p.refunded_minor > p.refunds_minor and p.provider <> 'offline' and p.intent_id is not null)
  and (p.next_poll_at is null or p.next_poll_at > now() + interval '1 min'
    -- Recent payments are asked for more often.
    or p.poll_count >= 300 and p.created_at < now() - interval '1 h')
  and not exists (select from orders.payment_reviews r where r.payment_id = p.id and r.resolved_at is null)
