-- A product's stock is the sum of its movements.
select format('product %s: stock is %s, sum of movements %s', p.id, p.stock, coalesce(m.sum, 0))
from catalog.products p
left join (
    select product_id, sum(delta) as sum
    from catalog.stock_movements
    group by product_id
) m on m.product_id = p.id
where p.stock <> coalesce(m.sum, 0)
