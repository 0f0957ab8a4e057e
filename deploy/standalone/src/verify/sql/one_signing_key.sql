-- At most one key signs access tokens.
select format('%s keys sign access tokens: %s', count(*), string_agg(kid, ', ' order by kid))
from identity.signing_keys
where retired_at is null
having count(*) > 1
