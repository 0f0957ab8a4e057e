-- A cart has at most 100 lines, each of 1 to 9999 units of an existing or archived product.
select format('cart %s: %s lines', cart_id, count(*))
from cart.cart_items
group by cart_id
having count(*) > 100
union all
select format('cart %s, product %s: quantity %s', cart_id, product_id, quantity)
from cart.cart_items
where quantity not between 1 and 9999
union all
select format('cart %s, product %s: there is no such product', i.cart_id, i.product_id)
from cart.cart_items i
where not exists (select from catalog.products p where p.id = i.product_id)
