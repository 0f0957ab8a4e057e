-- Stock was never negative.
select format('product %s: stock was %s after movement %s', product_id, stock, id)
from (
    select id, product_id, sum(delta) over (partition by product_id order by id) as stock
    from catalog.stock_movements
) as history
where stock < 0
