-- For information: payments that a person has to decide about.
select format('payment %s of order %s at %s (%s): needs review since %s: %s%s', payment_id, order_id, provider,
    coalesce(intent_id, 'no intent'), created_at, reason, coalesce(format(', %s %s reported', amount_minor, currency), ''))
from orders.payment_reviews
where resolved_at is null
