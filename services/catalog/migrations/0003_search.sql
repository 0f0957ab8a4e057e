-- Searches and lists whose work does not grow with the number of products.

-- The words of the names of products, for the tolerance of typos: a search for a word with a typo becomes a search for the
-- similar words, which is much faster than a comparison with every name. Words without products remain, which is harmless.
create table catalog.name_words (
    word text collate "C" primary key
);

-- The words of a text that may be searched with a typo: of at least four letters, without digits.
create function catalog.words_for_typos(body text) returns text[]
    language sql immutable strict parallel safe
    return (
        select coalesce(array_agg(word), '{}')
        from unnest(tsvector_to_array(to_tsvector(
            'pg_catalog.simple', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32))
        ))) as word
        where word ~ '^[[:alpha:]]{4,}$'
    );

insert into catalog.name_words (word)
select distinct word from catalog.products p, unnest(catalog.words_for_typos(p.name)) as word;

-- In the order of the words, so that concurrent transactions do not wait for each other in a circle.
create function catalog.add_words_of_new_names() returns trigger language plpgsql as $$
begin
    insert into catalog.name_words (word)
    select distinct word from new_products, unnest(catalog.words_for_typos(name)) as word
    where not exists (select from catalog.name_words known where known.word = word.word)
    order by word
    on conflict do nothing;
    return null;
end
$$;
create trigger words_of_new_products_are_added after insert on catalog.products
    referencing new table as new_products for each statement execute function catalog.add_words_of_new_names();

create function catalog.add_words_of_new_name() returns trigger language plpgsql as $$
begin
    insert into catalog.name_words (word)
    select word from unnest(catalog.words_for_typos(new.name)) as word
    order by word
    on conflict do nothing;
    return null;
end
$$;
create trigger words_of_renamed_products_are_added after update of name on catalog.products
    for each row when (old.name is distinct from new.name) execute function catalog.add_words_of_new_name();

-- The index of the names themselves is not needed any more. The version before this one then searches without tolerance of
-- typos, as without pg_trgm.
do $$
declare
    extension_schema name;
begin
    if to_regclass('catalog.products_by_name_trigrams') is not null then
        select n.nspname into strict extension_schema
        from pg_extension e join pg_namespace n on n.oid = e.extnamespace
        where e.extname = 'pg_trgm';
        execute format(
            'create index name_words_by_trigrams on catalog.name_words using gin (word %I.gin_trgm_ops)',
            extension_schema
        );
        drop index catalog.products_by_name_trigrams;
    end if;
end
$$;

-- Few products are sold out. The column changes only when the stock becomes 0 or ceases to be, so that other updates of the
-- stock still touch no indexed column.
alter table catalog.products add column is_sold_out boolean not null generated always as (stock = 0) stored;
create index sold_out_products on catalog.products (id) where is_sold_out and archived_at is null;
